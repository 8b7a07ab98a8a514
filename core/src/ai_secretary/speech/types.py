"""Audio, voices and transcripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

EngineState = Literal["ready", "loading", "idle", "unavailable"]
"""`idle`: loads itself at the first request. `unavailable`: `reason` says why."""


@dataclass(slots=True, frozen=True)
class AudioChunk:
    """A piece of sound: `pcm` is int16, mono, little-endian; `sample_rate` in Hz."""

    pcm: bytes
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.pcm) / 2 / self.sample_rate


Audio = AudioChunk
"""A whole recording has the same shape as a piece of one."""


@dataclass(slots=True, frozen=True)
class VoiceOptions:
    """How to say it. `speed` 0.25–4.0 (1.0 is normal). `parameters` are the engine's own, checked by its plugin."""

    language: str | None = None
    speed: float = 1.0
    parameters: Mapping[str, float | int | str | bool] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class VoiceInfo:
    """One voice. `id` is `engine/name`, unique over the installation; the bare name works too where it is unambiguous."""

    id: str
    title: str
    engine: str
    languages: tuple[str, ...]
    """ISO 639-1; the first is its mother tongue."""
    sample_rate: int
    """Hz of the chunks it makes."""
    gender: Literal["female", "male", "neutral"] = "neutral"
    state: EngineState = "ready"
    reason: str = ""
    description: str = ""
    licence: str = ""
    cloned: bool = False
    parameters: Mapping[str, float | int | str | bool] = field(default_factory=dict)
    """The engine's own parameters with the values in force for this voice."""


@dataclass(slots=True, frozen=True)
class RecognizerInfo:
    """One recogniser with one loaded or loadable model. `id` is `engine/model`."""

    id: str
    title: str
    engine: str
    languages: tuple[str, ...] | None
    """ISO 639-1; None: any."""
    streaming: bool
    """Whether `open_stream` gives partials while the person speaks."""
    state: EngineState = "ready"
    reason: str = ""
    description: str = ""
    size_bytes: int | None = None


@dataclass(slots=True, frozen=True)
class RecognitionOptions:
    """`language` is ISO 639-1, None: detect. `prompt` biases towards its words. `word_timestamps` fills `Transcript.words`."""

    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    word_timestamps: bool = False


@dataclass(slots=True, frozen=True)
class Word:
    text: str
    start: float
    """Seconds from the beginning of the audio."""
    end: float
    probability: float | None = None


@dataclass(slots=True, frozen=True)
class Segment:
    text: str
    start: float
    end: float
    average_logprob: float | None = None
    no_speech_probability: float | None = None
    compression_ratio: float | None = None


@dataclass(slots=True, frozen=True)
class Transcript:
    text: str
    language: str | None
    duration: float
    """Seconds of audio."""
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()
    final: bool = True
    """False for a partial of a recognition stream."""
