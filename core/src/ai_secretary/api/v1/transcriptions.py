"""`POST /v1/audio/transcriptions` and `/translations`: answers in the five formats of the OpenAI API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal, cast

from ai_secretary.errors import InvalidInput
from ai_secretary.speech import Segment, Transcript, Word

if TYPE_CHECKING:
    from collections.abc import Iterable

ResponseFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
RESPONSE_FORMATS: tuple[ResponseFormat, ...] = ("json", "text", "srt", "verbose_json", "vtt")

_LANGUAGE_NAMES = {
    "ru": "russian",
    "en": "english",
    "uk": "ukrainian",
    "be": "belarusian",
    "kk": "kazakh",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
    "pl": "polish",
    "tr": "turkish",
    "zh": "chinese",
    "ja": "japanese",
    "ko": "korean",
}
_CODES = {name: code for code, name in _LANGUAGE_NAMES.items()}
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def check_response_format(name: str) -> ResponseFormat:
    if name not in RESPONSE_FORMATS:
        raise InvalidInput(
            "Format {name} is not one of {formats}",
            name=name,
            formats=", ".join(RESPONSE_FORMATS),
            code="unknown_format",
            field="response_format",
        )
    return name


def check_language(language: str | None) -> str | None:
    """ISO 639-1 from a code (`ru`, `ru-RU`) or an English name; None and `auto`: detect."""
    if language is None or not language.strip() or language.strip().casefold() == "auto":
        return None
    lowered = language.strip().casefold()
    if lowered in _CODES:
        return _CODES[lowered]
    if not _LANGUAGE.fullmatch(lowered):
        raise InvalidInput(
            "Language {language} is not an ISO 639-1 code such as ru",
            language=language,
            code="invalid_language",
            field="language",
        )
    return lowered.split("-")[0]


def usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": max(1, round(transcript.duration))}


def as_json(transcript: Transcript) -> dict[str, Any]:
    return {"text": transcript.text, "usage": usage(transcript)}


def as_verbose(
    transcript: Transcript, *, words: bool, segments: bool, task: str = "transcribe", temperature: float = 0.0
) -> dict[str, Any]:
    """`verbose_json`; keys that clients index are always there."""
    language = transcript.language or ""
    answer: dict[str, Any] = {
        "task": task,
        "language": _LANGUAGE_NAMES.get(language, language),
        "duration": round(transcript.duration, 3),
        "text": transcript.text,
    }
    if words:
        answer["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in transcript.words
        ]
    if segments:
        answer["segments"] = [_segment(index, segment, temperature) for index, segment in enumerate(_segments(transcript))]
    answer["usage"] = usage(transcript)
    return answer


def _segment(index: int, segment: Segment, temperature: float) -> dict[str, Any]:
    return {
        "id": index,
        "seek": int(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": cast("list[int]", []),
        "temperature": temperature,
        "avg_logprob": segment.average_logprob or 0.0,
        "compression_ratio": segment.compression_ratio or 1.0,
        "no_speech_prob": segment.no_speech_probability or 0.0,
    }


def _segments(transcript: Transcript) -> tuple[Segment, ...]:
    """A recogniser without segments heard one."""
    if transcript.segments or not transcript.text:
        return transcript.segments
    return (Segment(transcript.text, 0.0, transcript.duration),)


def as_srt(transcript: Transcript) -> str:
    blocks = (
        f"{number}\n{_stamp(segment.start, ',')} --> {_stamp(segment.end, ',')}\n{segment.text.strip()}\n"
        for number, segment in enumerate(_segments(transcript), 1)
    )
    return "\n".join(blocks)


def as_vtt(transcript: Transcript) -> str:
    blocks = (
        f"{_stamp(segment.start, '.')} --> {_stamp(segment.end, '.')}\n{segment.text.strip()}\n"
        for segment in _segments(transcript)
    )
    return "\n".join(["WEBVTT\n", *blocks])


def _stamp(seconds: float, separator: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02d}:{minutes:02d}:{rest // 1000:02d}{separator}{rest % 1000:03d}"


def deltas(transcript: Transcript) -> Iterable[str]:
    """The text in the pieces in which it was heard; joined they are the text."""
    position = 0
    for segment in transcript.segments:
        text = segment.text.strip()
        found = transcript.text.find(text, position) if text else -1
        if found >= 0:
            yield transcript.text[position : found + len(text)]
            position = found + len(text)
    if position < len(transcript.text):
        yield transcript.text[position:]


def words_of(transcript: Transcript) -> list[dict[str, Any]]:
    return [_word(word) for word in transcript.words]


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3), "probability": word.probability}
