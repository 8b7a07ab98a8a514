"""What was spoken and heard, for whoever counts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(slots=True, frozen=True)
class VoiceUsage:
    """`units`: characters for `tts`, seconds of audio for `stt`. `provider` is a voice or recogniser id."""

    kind: Literal["tts", "stt"]
    provider: str
    units: float
    elapsed_ms: float
    source: str = ""
    """Who asked: a principal's id, where there is one."""


class UsageSink(Protocol):
    def record_usage(self, usage: VoiceUsage) -> None:
        """Remember it without waiting and without failing the caller."""
        ...
