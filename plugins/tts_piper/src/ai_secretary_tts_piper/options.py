"""What an admin can tune. Titles and descriptions are English message ids."""

from __future__ import annotations

import os
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ai_secretary.errors import InvalidInput

VOICES_SUBJECT: Final = "plugin:tts_piper:voices"
"""Preferences subject of the settings of single voices."""


class PiperOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    speed: float = Field(1.0, ge=0.25, le=4.0, title="Speed", description="Of every Piper voice without a speed of its own")
    warm_up: bool = Field(
        True,
        title="Load at start",
        description="Load the chosen voices right after the start, so that the first person does not wait",
    )
    voices_in_memory: int = Field(
        3, ge=1, le=32, title="Voices in memory", description="About 100 MB each; the one that was silent longest makes room"
    )
    threads: int = Field(
        0, ge=0, le=32, title="Threads per sentence", description="0: two, or one where the machine has one core"
    )
    catalogue_url: str = Field(
        "https://huggingface.co/rhasspy/piper-voices/resolve/main",
        title="Address of the voice catalogue",
        description="The Piper project's voices, or a mirror of them",
        max_length=500,
    )

    @field_validator("catalogue_url")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if not value.startswith(("https://", "http://")):
            raise ValueError("an address begins with https:// or http://")
        return value

    def thread_count(self) -> int:
        """Short sentences gain nothing from more than two."""
        return self.threads or min(2, os.cpu_count() or 1)


class VoiceManner(BaseModel):
    """How one voice speaks. None: as its author meant it (or, for the speed, as `PiperOptions.speed` says)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    speed: float | None = Field(None, ge=0.25, le=4.0, title="Speed", description="1.0 is normal")
    noise_scale: float | None = Field(
        None, ge=0.0, le=2.0, title="Liveliness", description="How much the melody varies; 0 is flat"
    )
    noise_w: float | None = Field(
        None, ge=0.0, le=2.0, title="Rhythm", description="How much the length of sounds varies; 0 is even"
    )
    sentence_silence: float = Field(
        0.0,
        ge=0.0,
        le=3.0,
        title="Pause after a sentence, s",
        description="Added to the short pause that the voice makes by itself",
    )
    volume: float = Field(1.0, ge=0.1, le=2.0, title="Loudness", description="1.0 is the full range without distortion")


class VoiceSettings(VoiceManner):
    speaker: int | None = Field(None, ge=0, le=10_000, title="Speaker", description="Number of one of the voices in the file")


class VoiceSettingsBook(BaseModel):
    """Settings of single voices, by their name (without `piper/`)."""

    model_config = ConfigDict(extra="ignore")

    voices: dict[str, VoiceSettings] = {}


def check_settings(values: object) -> VoiceSettings:
    """Raises `InvalidInput` that names the field, the value and the range."""
    try:
        return VoiceSettings.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        name = ".".join(str(part) for part in first["loc"]) or "parameters"
        raise InvalidInput(
            "{name}: {problem}",
            name=name,
            problem=first["msg"],
            code="piper_parameter",
            field=name,
            hint="Known parameters: {}".format(", ".join(VoiceSettings.model_fields)),
        ) from error
