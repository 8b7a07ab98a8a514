"""Which voice speaks and which recogniser listens when nobody said, and what the names that people say mean."""

from __future__ import annotations

from ai_secretary.errors import InvalidInput, NotFound, Unavailable
from ai_secretary.i18n import LANGUAGES
from ai_secretary.plugins.registries import Registries
from ai_secretary.speech import EngineState, Recognizer, RecognizerInfo, Synthesizer, VoiceInfo
from ai_secretary.voice.preferences import VoicePreferences

_STOCK = "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse default auto"
STOCK_VOICES = frozenset(_STOCK.split())
"""Names that clients of the OpenAI API send without asking what there is: the default voice of the text's language."""
STOCK_RECOGNIZERS = frozenset(
    ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize", "default", "auto")
)

_STATE_RANK: dict[EngineState, int] = {"ready": 0, "idle": 1, "loading": 2, "unavailable": 9}


def usable(state: EngineState) -> bool:
    return state != "unavailable"


def find_voice(registries: Registries, preferences: VoicePreferences, voice: str | None, language: str | None) -> Synthesizer:
    """Raises `InvalidInput` (`voice_not_found`) for a name nobody has, `Unavailable` where the voice cannot speak now."""
    if voice and voice.casefold() not in STOCK_VOICES:
        found = registries.find_voice(voice)
        if found is None:
            raise InvalidInput(
                "There is no voice {voice}",
                voice=voice, code="voice_not_found", field="voice", hint="GET /v1/voices lists the voices that there are.",
            )  # fmt: skip
        if not usable(found.info.state):
            raise Unavailable(
                "Voice {voice} cannot speak now: {reason}",
                voice=found.info.id,
                reason=found.info.reason or "unavailable",
                code="voice_unavailable",
            )
        return found
    return default_voice(registries, preferences, language or "en")


def default_voice(registries: Registries, preferences: VoicePreferences, language: str) -> Synthesizer:
    """The preferred voice of `language`, or the best that can speak it now. Raises `Unavailable` (`no_voice`)."""
    preferred = preferences.voice_for(language)
    if preferred:
        found = registries.find_voice(preferred)
        if found is not None and usable(found.info.state):
            return found
    candidates = sorted(
        (info for info in registries.voices() if language in info.languages and usable(info.state)),
        key=lambda info: _voice_rank(info, language),
    )
    for info in candidates:
        found = registries.find_voice(info.id)
        if found is not None:
            return found
    raise Unavailable(
        "No voice speaks {language}",
        language=language,
        code="no_voice",
        hint="Install a voice for this language on the Voices page, or name one in the request.",
    )


def _voice_rank(info: VoiceInfo, language: str) -> tuple[int, bool, int, str]:
    # Mother tongue first: a voice that merely manages a language has an accent. A clone of a person speaks only when asked for.
    return (info.languages.index(language), info.cloned, _STATE_RANK[info.state], info.id)


def find_recognizer(
    registries: Registries, preferences: VoicePreferences, recognizer: str | None, language: str | None
) -> Recognizer:
    """By id, by engine name, by a stock name, or the preferred or best one. Raises `NotFound` or `Unavailable`."""
    if recognizer and recognizer.casefold() not in STOCK_RECOGNIZERS:
        found = registries.find_recognizer(recognizer)
        if found is None:
            named = [info for info in registries.recognizers() if recognizer in (info.engine, info.id.partition("/")[2])]
            found = _best(registries, named, language)
        if found is None:
            raise NotFound(
                "There is no recogniser {recognizer}",
                recognizer=recognizer,
                code="model_not_found",
                field="model",
                hint="GET /admin/stt/recognizers lists those that there are.",
            )
        if not usable(found.info.state):
            raise Unavailable(
                "Recogniser {recognizer} cannot listen now: {reason}",
                recognizer=found.info.id, reason=found.info.reason or "unavailable", code="recognizer_unavailable",
            )  # fmt: skip
        return found
    preferred = preferences.recognizer_for(language)
    if preferred:
        found = registries.find_recognizer(preferred)
        if found is not None and usable(found.info.state):
            return found
    found = _best(registries, [info for info in registries.recognizers() if usable(info.state)], language)
    if found is None:
        raise Unavailable(
            "No recogniser understands {language}" if language else "There is no recogniser",
            language=language or "", code="no_recognizer", hint="Install one on the Recognition page.",
        )  # fmt: skip
    return found


def _best(registries: Registries, infos: list[RecognizerInfo], language: str | None) -> Recognizer | None:
    able = [info for info in infos if language is None or info.languages is None or language in info.languages]
    for info in sorted(able, key=lambda info: _recognizer_rank(info, language)):
        found = registries.find_recognizer(info.id)
        if found is not None:
            return found
    return None


def _recognizer_rank(info: RecognizerInfo, language: str | None) -> tuple[bool, int, int, int, str]:
    # Without a language the one that knows most, even if it is still loading; with one, the specialist.
    known = 1_000 if info.languages is None else len(info.languages)
    narrow = language is None and info.languages is not None and not set(LANGUAGES) <= set(info.languages)
    return (narrow, _STATE_RANK[info.state], known if language else -known, -(info.size_bytes or 0), info.id)
