"""`/admin/stt`: what can listen, and what it hears."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, File, Query, UploadFile
from pydantic import BaseModel

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.api.tts import collect
from ai_secretary.api.v1.transcriptions import check_language, words_of
from ai_secretary.errors import InvalidInput, Unavailable
from ai_secretary.speech import RecognizerInfo, Transcript
from ai_secretary.voice.language import detect
from ai_secretary.voice.normalization import normalise_off_loop
from ai_secretary.voice.uploads import read_upload

if TYPE_CHECKING:
    from ai_secretary.app import Application

_WORD = re.compile(r"[\w-]+")
_SAMPLE = {"ru": "Здравствуйте, вы позвонили секретарю.", "en": "Hello, you have reached the secretary."}


class RecognizerReply(BaseModel):
    id: str
    name: str
    engine: str
    languages: list[str] | None
    """null: any."""
    streaming: bool
    state: str
    reason: str
    available: bool
    description: str
    size_bytes: int | None

    @classmethod
    def of(cls, info: RecognizerInfo) -> RecognizerReply:
        return cls(
            id=info.id,
            name=info.title,
            engine=info.engine,
            languages=None if info.languages is None else list(info.languages),
            streaming=info.streaming,
            state=info.state,
            reason=info.reason,
            available=info.state != "unavailable",
            description=info.description,
            size_bytes=info.size_bytes,
        )


class StatusReply(BaseModel):
    engines: dict[str, bool]
    """Engine → whether one of its recognisers can listen now."""
    preferred: dict[str, str | None]
    """Language → recogniser that would be asked."""
    recognizers: list[RecognizerReply]


class RecognizersReply(BaseModel):
    recognizers: list[RecognizerReply]


class SegmentReply(BaseModel):
    text: str
    start: float
    end: float


class TranscriptReply(BaseModel):
    text: str
    language: str | None
    duration: float
    engine: str
    segments: list[SegmentReply]
    words: list[dict[str, Any]]


class RoundTripReply(BaseModel):
    original_text: str
    recognized_text: str
    match: bool
    words_count: int
    similarity: float
    """Share of words heard right, 0 to 1."""


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/stt", tags=["stt"], responses=ERRORS)
    voice = application.voice

    def preferred(language: str) -> str | None:
        try:
            return voice.resolve_recognizer(None, language).info.id
        except Unavailable:
            return None

    @router.get("/status", summary="What can listen now")
    async def status(principal: Annotated[Principal, Depends(require("stt:read"))]) -> StatusReply:
        infos = voice.recognizers()
        engines = {info.engine: False for info in infos}
        for info in infos:
            engines[info.engine] = engines[info.engine] or info.state != "unavailable"
        return StatusReply(
            engines=engines,
            preferred={language: preferred(language) for language in ("ru", "en")},
            recognizers=[RecognizerReply.of(info) for info in infos],
        )

    @router.get("/recognizers", summary="All recognisers")
    async def recognizers(principal: Annotated[Principal, Depends(require("stt:read"))]) -> RecognizersReply:
        return RecognizersReply(recognizers=[RecognizerReply.of(info) for info in voice.recognizers()])

    @router.post("/transcribe", summary="Speech to text")
    async def transcribe(
        principal: Annotated[Principal, Depends(require("stt:write"))],
        file: Annotated[UploadFile, File()],
        language: Annotated[str | None, Query(max_length=35)] = None,
        engine: Annotated[str, Query(max_length=200)] = "auto",
    ) -> TranscriptReply:
        code = check_language(language)
        recognizer = voice.resolve_recognizer(engine, code).info.id
        data = await read_upload(file)
        transcript = await voice.transcribe(data, language=code, recognizer=recognizer, word_timestamps=True)
        return _reply(transcript, recognizer)

    @router.post("/test", summary="Speak a text and hear whether it is understood")
    async def round_trip(
        principal: Annotated[Principal, Depends(require("stt:write"))],
        text_to_speak: Annotated[str | None, Query(max_length=500)] = None,
    ) -> RoundTripReply:
        text = text_to_speak or _SAMPLE[application.settings.language]
        language = detect(text, application.settings.language)
        audio = await collect(voice.speak(text, language=language))
        if audio is None:
            raise InvalidInput("There is nothing in the text that can be spoken", code="empty_input", field="text_to_speak")
        heard = await voice.transcribe(audio, language=language)
        # Both sides in words: a recogniser may write "5" for what was spoken as "five".
        expected = _words(await normalise_off_loop(text, language))
        understood = _words(await normalise_off_loop(heard.text, language))
        share = _similarity(expected, understood)
        return RoundTripReply(
            original_text=text,
            recognized_text=heard.text,
            match=share >= 0.8,
            words_count=len(understood),
            similarity=round(share, 3),
        )

    return router


def _reply(transcript: Transcript, recognizer: str) -> TranscriptReply:
    return TranscriptReply(
        text=transcript.text,
        language=transcript.language,
        duration=transcript.duration,
        engine=recognizer,
        segments=[SegmentReply(text=item.text, start=item.start, end=item.end) for item in transcript.segments],
        words=words_of(transcript),
    )


def _words(text: str) -> list[str]:
    return [word.casefold().replace("ё", "е") for word in _WORD.findall(text)]


def _similarity(expected: list[str], heard: list[str]) -> float:
    """1 − word error rate, not below 0."""
    if not expected:
        return 1.0 if not heard else 0.0
    row = list(range(len(heard) + 1))
    for index, word in enumerate(expected, 1):
        previous, row[0] = row[0], index
        for column, other in enumerate(heard, 1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (word != other))
    return max(0.0, 1 - row[-1] / len(expected))
