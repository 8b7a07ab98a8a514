"""One Piper voice as the core sees it."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final

from ai_secretary.errors import InvalidInput
from ai_secretary.speech import AudioChunk, VoiceInfo, VoiceOptions
from ai_secretary.workers import WorkerError
from ai_secretary_tts_piper.files import VoiceFile
from ai_secretary_tts_piper.options import PiperOptions, VoiceSettings, check_settings

if TYPE_CHECKING:
    from ai_secretary_tts_piper.service import PiperVoices

_DEADLINE_S: Final = 60.0
"""To the first sentence and between two; loading a voice on a busy machine takes seconds."""
_SOUNDLESS: Final = frozenset({"Cc", "Cs", "Co", "Cn"})
_ENDED: Final = frozenset({"worker_crashed", "worker_stopped"})


class PiperSynthesizer:
    """Resolved once per session; the worker may come and go beneath it."""

    def __init__(self, voices: PiperVoices, file: VoiceFile) -> None:
        self._voices = voices
        self._file = file

    @property
    def info(self) -> VoiceInfo:
        return self._voices.info(self._file)

    async def synthesize(self, text: str, options: VoiceOptions) -> AsyncGenerator[AudioChunk, None]:
        """One chunk per sentence, each as soon as it is made; nothing for a text without anything to say."""
        parameters = speaking(self._file, self._voices.options(), self._voices.settings(self._file.name), options)
        text = sayable(text)
        if not text:
            return
        for last_try in (False, True):
            spoken = False
            try:
                async with aclosing(self._voices.stream(self._file, text, parameters, _DEADLINE_S)) as pieces:
                    async for pcm in pieces:
                        spoken = True
                        yield AudioChunk(pcm, self._file.sample_rate)
                return
            except WorkerError as error:
                # Nothing was heard yet, so a fresh process may say it from the beginning.
                if spoken or last_try or error.code not in _ENDED:
                    raise


def sayable(text: str) -> str:
    """Without what upsets the pronouncer: control characters, lone surrogates, `[[phonemes]]`. Empty: nothing to say."""
    text = "".join(" " if unicodedata.category(character) in _SOUNDLESS else character for character in text)
    text = text.replace("[[", "[ [").replace("]]", "] ]").strip()
    return text if any(character.isalnum() for character in text) else ""


def speaking(file: VoiceFile, options: PiperOptions, stored: VoiceSettings, asked: VoiceOptions) -> Mapping[str, Any]:
    """What the engine gets: the caller's parameters, then the voice's settings, then the file's own values.

    Raises `InvalidInput` for a parameter that is unknown, out of range, or not for this voice.
    """
    if not 0.25 <= asked.speed <= 4.0:
        raise InvalidInput("Speed {speed} is not between 0.25 and 4", speed=asked.speed, code="piper_parameter", field="speed")
    given = dict(asked.parameters)
    named = given.get("speaker")
    if isinstance(named, str) and not named.isdigit():
        if named not in file.speakers:
            raise InvalidInput("{voice} has no speaker {speaker}", voice=file.title, speaker=named[:60], code="piper_parameter")
        given["speaker"] = file.speakers[named]
    settings = VoiceSettings.model_validate(stored.model_dump() | check_settings(given).model_dump(exclude_unset=True))
    if settings.speaker is not None and settings.speaker >= file.speaker_count:
        raise InvalidInput(
            "{voice} has {count} speakers, numbered from 0", voice=file.title, count=file.speaker_count, code="piper_parameter",
            field="speaker",
        )  # fmt: skip
    speed = asked.speed * (options.speed if settings.speed is None else settings.speed)
    return {
        "speaker": settings.speaker if file.speaker_count > 1 else None,
        "length_scale": 1.0 / min(max(speed, 0.25), 4.0),
        "noise_scale": file.noise_scale if settings.noise_scale is None else settings.noise_scale,
        "noise_w": file.noise_w if settings.noise_w is None else settings.noise_w,
        "volume": settings.volume,
        "silence_s": settings.sentence_silence,
    }
