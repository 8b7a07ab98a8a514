"""The audio routes of `/v1` in FastAPI: transcriptions, translations, voices, and the documentation of speech."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from ai_secretary.access import Principal
from ai_secretary.api.security import require
from ai_secretary.api.v1 import transcriptions as formats
from ai_secretary.api.v1.speech import AudioStream, SpeechIn, open_speech, parse_speech
from ai_secretary.errors import InvalidInput
from ai_secretary.voice.codecs import MAX_UPLOAD_BYTES, MEDIA_TYPES
from ai_secretary.voice.uploads import read_upload

if TYPE_CHECKING:
    from ai_secretary.app import Application

_encode = msgspec.json.Encoder().encode


class VoiceReply(BaseModel):
    """A voice as `/v1/voices` shows it."""

    id: str
    name: str
    engine: str
    languages: list[str]
    gender: str
    sample_rate: int
    state: str
    description: str


class VoicesReply(BaseModel):
    voices: list[VoiceReply]


class SpeechBody(BaseModel):
    """Documented here, answered by the gateway in front of FastAPI where that is mounted."""

    model_config = ConfigDict(extra="allow")

    model: str = Field("tts-1", description="tts-1, tts-1-hd, gpt-4o-mini-tts, an engine or a voice id")
    input: str = Field(description="Up to 4096 characters")
    voice: str | dict[str, Any] | None = Field(
        None, description="A voice id, a bare name, or an OpenAI stock name for the default voice"
    )
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | str = "mp3"
    speed: float | None = Field(None, description="0.25 to 4")
    instructions: str | None = None
    stream_format: Literal["audio", "sse"] = "audio"


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"])
    voice = application.voice

    @router.get("/voices", summary="The voices that can speak")
    @router.get("/audio/voices", summary="The voices that can speak", include_in_schema=False)
    async def voices(principal: Annotated[Principal, Depends(require("v1:audio"))]) -> VoicesReply:
        return VoicesReply(
            voices=[
                VoiceReply(
                    id=info.id,
                    name=info.title,
                    engine=info.engine,
                    languages=list(info.languages),
                    gender=info.gender,
                    sample_rate=info.sample_rate,
                    state=info.state,
                    description=info.description,
                )
                for info in voice.voices()
            ]
        )

    @router.post(
        "/audio/speech",
        summary="Speak a text, sent as it is made",
        response_class=Response,
        responses={200: {"content": {media: {} for media in MEDIA_TYPES.values()}}},
    )
    async def speech(body: SpeechBody, principal: Annotated[Principal, Depends(require("v1:audio"))]) -> Response:
        request: SpeechIn = parse_speech(_encode(body.model_dump(exclude_none=True)))
        audio, audio_format = await open_speech(request, application)
        return AudioStream(audio, MEDIA_TYPES[audio_format])

    async def transcribe(file: UploadFile, model: str, language: str | None, prompt: str, temperature: float, words: bool) -> Any:
        if not 0 <= temperature <= 1:
            raise InvalidInput(
                "Temperature {value} is not between 0 and 1",
                value=temperature,
                code="temperature_out_of_range",
                field="temperature",
            )
        data = await read_upload(file, MAX_UPLOAD_BYTES)
        return await voice.transcribe(
            data, language=language, recognizer=model, prompt=prompt, word_timestamps=words, temperature=temperature
        )

    @router.post("/audio/transcriptions", summary="Speech to text", response_class=Response)
    async def transcriptions(
        principal: Annotated[Principal, Depends(require("v1:audio"))],
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = "whisper-1",
        language: Annotated[str | None, Form()] = None,
        prompt: Annotated[str, Form(max_length=4000)] = "",
        response_format: Annotated[str, Form()] = "json",
        temperature: Annotated[float, Form()] = 0.0,
        timestamp_granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities[]")] = None,
        plain_granularities: Annotated[list[str] | None, Form(alias="timestamp_granularities")] = None,
        stream: Annotated[bool, Form()] = False,
    ) -> Response:
        answer_format = formats.check_response_format(response_format)
        wanted = set(timestamp_granularities or plain_granularities or ())
        if wanted - {"word", "segment"}:
            raise InvalidInput(
                "Timestamps are per word or per segment", code="invalid_granularity", field="timestamp_granularities"
            )
        if wanted and answer_format != "verbose_json":
            raise InvalidInput(
                "Timestamps need the format verbose_json", code="invalid_granularity", field="timestamp_granularities"
            )
        transcript = await transcribe(file, model, formats.check_language(language), prompt, temperature, "word" in wanted)
        if stream and answer_format in ("json", "text"):
            return StreamingResponse(_events(transcript), media_type="text/event-stream", headers={"cache-control": "no-cache"})
        if answer_format == "verbose_json":
            return JSONResponse(
                formats.as_verbose(
                    transcript, words="word" in wanted, segments=not wanted or "segment" in wanted, temperature=temperature
                )
            )
        return _plain(transcript, answer_format)

    @router.post(
        "/audio/translations", summary="Speech to English text, where a recogniser can translate", response_class=Response
    )
    async def translations(
        principal: Annotated[Principal, Depends(require("v1:audio"))],
        file: Annotated[UploadFile, File()],
        model: Annotated[str, Form()] = "whisper-1",
        prompt: Annotated[str, Form(max_length=4000)] = "",
        response_format: Annotated[str, Form()] = "json",
        temperature: Annotated[float, Form()] = 0.0,
    ) -> Response:
        answer_format = formats.check_response_format(response_format)
        transcript = await transcribe(file, model, None, prompt, temperature, words=False)
        if transcript.language not in (None, "en"):
            raise InvalidInput(
                "The recording is in {language}; the recognisers here write down what was said and do not translate",
                language=transcript.language,
                code="translation_not_supported",
                field="file",
                hint="Use /v1/audio/transcriptions.",
            )
        if answer_format == "verbose_json":
            return JSONResponse(
                formats.as_verbose(transcript, words=False, segments=True, task="translate", temperature=temperature)
            )
        return _plain(transcript, answer_format)

    return router


def _plain(transcript: Any, answer_format: str) -> Response:
    if answer_format == "text":
        return PlainTextResponse(transcript.text + "\n")
    if answer_format == "srt":
        return PlainTextResponse(formats.as_srt(transcript))
    if answer_format == "vtt":
        return PlainTextResponse(formats.as_vtt(transcript), media_type="text/vtt")
    return JSONResponse(formats.as_json(transcript))


async def _events(transcript: Any) -> AsyncIterator[bytes]:
    for piece in formats.deltas(transcript):
        yield b"data: " + _encode({"type": "transcript.text.delta", "delta": piece}) + b"\n\n"
    done = {"type": "transcript.text.done", "text": transcript.text, "usage": formats.usage(transcript)}
    yield b"data: " + _encode(done) + b"\n\n"
