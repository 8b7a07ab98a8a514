"""What an admin can tune. Titles and descriptions are English message ids."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

Language = Annotated[str, StringConstraints(pattern=r"^[a-z]{2,3}$")]


class SttOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

    warm_up: bool = Field(
        True,
        title="Load at start",
        description="Load the recogniser right after the start, so that the first person does not wait",
    )
    warm_up_model: str = Field("whisper/base", title="Model to load at start", description="Id of a recogniser", max_length=120)
    languages: tuple[Language, ...] = Field(
        ("ru", "en"),
        title="Likely languages",
        description="Where the language is not known it is chosen among these; empty: any",
        max_length=20,
    )
    beam_size: int = Field(
        5,
        ge=1,
        le=10,
        title="Whisper: beam size",
        description="How many readings are weighed; 1 is about a fifth faster and errs more",
    )
    threads: int = Field(
        2, ge=1, le=16, title="Whisper: threads", description="Processor threads; more than there are free cores makes it slower"
    )
    compute_type: Literal["int8", "int8_float32", "float32"] = Field(
        "int8", title="Whisper: precision", description="int8 is fastest and smallest; float32 takes four times the memory"
    )
    skip_silence: bool = Field(
        True, title="Whisper: skip silence", description="Only listen where somebody speaks: Whisper makes up words in silence"
    )
    unload_after_minutes: int = Field(
        0, ge=0, le=1440, title="Unload after, minutes", description="Free the memory of a model that nobody uses; 0: keep it"
    )
    hub_url: str = Field(
        "https://huggingface.co",
        title="Address of the Whisper models",
        description="The model hub, or a mirror of it",
        max_length=300,
    )
    vosk_url: str = Field(
        "https://alphacephei.com/vosk/models", title="Address of the Vosk models", description="The Vosk site, or a mirror of it",
        max_length=300,
    )  # fmt: skip

    @field_validator("hub_url", "vosk_url")
    @classmethod
    def _address(cls, value: str) -> str:
        value = value.strip().rstrip("/")
        if not value.startswith(("https://", "http://")):
            raise ValueError("an address such as https://example.com is needed")
        return value
