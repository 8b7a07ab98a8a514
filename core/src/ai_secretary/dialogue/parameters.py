"""Ranges of sampling parameters, and which value wins. Checked wherever values enter: API, personas, conversations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai_secretary.errors import InvalidInput
from ai_secretary.llm import Sampling

RANGES: dict[str, tuple[float, float, float]] = {
    "temperature": (0.0, 2.0, 0.05),
    "top_p": (0.1, 1.0, 0.05),
    "max_tokens": (1, 4096, 1),
    "repetition_penalty": (1.0, 2.0, 0.05),
    "presence_penalty": (-2.0, 2.0, 0.1),
    "frequency_penalty": (-2.0, 2.0, 0.1),
}
"""name → (least, most, step), for forms as well."""

DEFAULTS = Sampling(temperature=0.7, top_p=0.9, max_tokens=512, repetition_penalty=1.1)
"""Of a persona that says nothing."""


class SamplingValues(BaseModel):
    """Sampling parameters as people set them; None leaves the value to the next level (conversation, persona, model)."""

    model_config = ConfigDict(frozen=True)

    temperature: float | None = Field(None, ge=0, le=2, title="Temperature", description="0: always the likeliest word")
    top_p: float | None = Field(None, ge=0.1, le=1, title="Top-p", description="Share of likely words to choose from")
    max_tokens: int | None = Field(None, ge=1, le=4096, title="Longest reply", description="In tokens")
    repetition_penalty: float | None = Field(None, ge=1, le=2, title="Repetition penalty", description="1: none")
    presence_penalty: float | None = Field(None, ge=-2, le=2, title="Presence penalty")
    frequency_penalty: float | None = Field(None, ge=-2, le=2, title="Frequency penalty")

    def to_sampling(self) -> Sampling:
        return Sampling(**self.model_dump())


def parse_sampling(values: Mapping[str, Any] | None, *, where: str = "") -> SamplingValues:
    """Raises `InvalidInput` that names the first wrong parameter, its range, and what was given."""
    try:
        return SamplingValues.model_validate(dict(values or {}))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        least, most, _ = RANGES.get(name, (0, 0, 0))
        raise InvalidInput(
            "{name} is a number from {least} to {most}, not {given}",
            code="parameter_out_of_range",
            field=f"{where}{name}",
            name=name,
            least=f"{least:g}",
            most=f"{most:g}",
            given=str(first.get("input"))[:40],
        ) from error


def merge(*levels: Sampling | None) -> Sampling:
    """The first level that sets a parameter wins."""
    merged = Sampling()
    for level in reversed([level for level in levels if level is not None]):
        given = {field.name: value for field in fields(level) if (value := getattr(level, field.name)) not in (None, ())}
        merged = replace(merged, **given)
    return merged
