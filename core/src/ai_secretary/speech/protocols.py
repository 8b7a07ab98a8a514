"""What a voice or a recogniser implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

from ai_secretary.speech.types import (
    Audio,
    AudioChunk,
    RecognitionOptions,
    RecognizerInfo,
    Transcript,
    VoiceInfo,
    VoiceOptions,
)


class Synthesizer(Protocol):
    """One voice. Gets text that is already normalised for speech and cut into clauses by the core."""

    @property
    def info(self) -> VoiceInfo: ...

    def synthesize(self, text: str, options: VoiceOptions) -> AsyncIterator[AudioChunk]:
        """Speak `text`, first chunk as early as the engine can. Closing the iterator stops the engine.

        Raises `errors.ProviderError` when the engine fails, `errors.InvalidInput` for parameters out of range.
        """
        ...


class SynthesizerSource(Protocol):
    """The voices of one engine; what it lists may change at any time."""

    @property
    def id(self) -> str:
        """The engine's name, first part of its voice ids."""
        ...

    def voices(self) -> Sequence[VoiceInfo]:
        """A snapshot, without I/O."""
        ...

    def find(self, voice_id: str) -> Synthesizer | None: ...


class RecognitionStream(Protocol):
    """Recognition while the person speaks. One task feeds and finishes, one reads."""

    async def feed(self, chunk: AudioChunk) -> None: ...

    def results(self) -> AsyncIterator[Transcript]:
        """Partials (`final=False`, the whole utterance so far) and finals, until `finish` or `close`."""
        ...

    async def finish(self) -> Transcript:
        """No more audio comes: the final text."""
        ...

    async def close(self) -> None:
        """Abandon the stream and free its resources; safe to call twice."""
        ...


class Recognizer(Protocol):
    """Speech to text."""

    @property
    def info(self) -> RecognizerInfo: ...

    async def transcribe(self, audio: Audio, options: RecognitionOptions) -> Transcript:
        """Recognise a whole recording at any sample rate. Silence gives an empty text, not an error."""
        ...

    def open_stream(self, options: RecognitionOptions) -> RecognitionStream:
        """Raises `errors.InvalidInput` with code `not_streaming` where `info.streaming` is False."""
        ...


class RecognizerSource(Protocol):
    """The recognisers of one engine."""

    @property
    def id(self) -> str: ...

    def recognizers(self) -> Sequence[RecognizerInfo]:
        """A snapshot, without I/O."""
        ...

    def find(self, recognizer_id: str) -> Recognizer | None: ...
