"""Contracts of voices and recognisers: protocols and value types, no I/O. PCM is int16, mono, native little-endian."""

from ai_secretary.speech.protocols import (
    RecognitionStream,
    Recognizer,
    RecognizerSource,
    Synthesizer,
    SynthesizerSource,
)
from ai_secretary.speech.types import (
    Audio,
    AudioChunk,
    EngineState,
    RecognitionOptions,
    RecognizerInfo,
    Segment,
    Transcript,
    VoiceInfo,
    VoiceOptions,
    Word,
)

__all__ = [
    "Audio",
    "AudioChunk",
    "EngineState",
    "RecognitionOptions",
    "RecognitionStream",
    "Recognizer",
    "RecognizerInfo",
    "RecognizerSource",
    "Segment",
    "Synthesizer",
    "SynthesizerSource",
    "Transcript",
    "VoiceInfo",
    "VoiceOptions",
    "Word",
]
