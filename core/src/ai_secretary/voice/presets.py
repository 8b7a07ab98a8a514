"""Intonation presets: five of the house, and the operator's own.

The parameters are those of autoregressive voices (XTTS and its kin). A voice gets the ones that it declares in
`VoiceInfo.parameters`; for all others only `speed` applies.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ai_secretary.errors import Conflict, InvalidInput, NotFound
from ai_secretary.i18n import N_
from ai_secretary.speech import VoiceInfo
from ai_secretary.storage import Database
from ai_secretary.voice import repository

_NAME = re.compile(r"[\w][\w .()-]{0,63}")


class Intonation(BaseModel):
    """Ranges are the engine's; what is left out keeps the value of `natural`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    temperature: float = Field(0.75, ge=0.1, le=1.0)
    repetition_penalty: float = Field(4.0, ge=1.0, le=10.0)
    top_k: int = Field(55, ge=1, le=100)
    top_p: float = Field(0.88, ge=0.1, le=1.0)
    speed: float = Field(0.98, ge=0.5, le=2.0)
    gpt_cond_len: int = Field(20, ge=6, le=30)
    gpt_cond_chunk_len: int = Field(5, ge=3, le=6)


@dataclass(slots=True, frozen=True)
class Preset:
    name: str
    title: str
    """English message id for built-in presets, the name for others."""
    intonation: Intonation
    builtin: bool


def _builtin(name: str, title: str, *values: float) -> Preset:
    temperature, penalty, top_k, top_p, speed, length, chunk = values
    return Preset(
        name, title,
        Intonation(
            temperature=temperature, repetition_penalty=penalty, top_k=int(top_k), top_p=top_p, speed=speed,
            gpt_cond_len=int(length), gpt_cond_chunk_len=int(chunk),
        ),
        builtin=True,
    )  # fmt: skip


BUILTIN = {
    preset.name: preset
    for preset in (
        _builtin("neutral", N_("Neutral"), 0.7, 5, 50, 0.85, 1.0, 12, 4),
        _builtin("warm", N_("Warm"), 0.85, 3, 60, 0.9, 0.95, 15, 5),
        _builtin("energetic", N_("Energetic"), 0.9, 2.5, 70, 0.92, 1.1, 10, 3),
        _builtin("calm", N_("Calm"), 0.5, 6, 40, 0.8, 0.9, 18, 6),
        _builtin("natural", N_("Natural"), 0.75, 4, 55, 0.88, 0.98, 20, 5),
    )
}


class Presets:
    """Read from memory; writes go to the database first. Names are case-sensitive and unique over both kinds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._custom: dict[str, Preset] = {}

    async def load(self) -> None:
        async with self._database.session() as session:
            rows = await repository.presets(session)
        self._custom = {row.name: _custom(row.name, Intonation.model_validate_json(row.parameters)) for row in rows}

    def all(self) -> list[Preset]:
        return [*BUILTIN.values(), *self._custom.values()]

    def custom(self) -> list[Preset]:
        return list(self._custom.values())

    def find(self, name: str) -> Preset | None:
        return BUILTIN.get(name) or self._custom.get(name)

    def get(self, name: str) -> Preset:
        """Raises `InvalidInput` naming what there is."""
        preset = self.find(name)
        if preset is None:
            raise InvalidInput(
                "There is no intonation preset {name}; there are {known}",
                name=name,
                known=", ".join(preset.name for preset in self.all()),
                code="unknown_preset",
                field="preset",
            )
        return preset

    async def create(self, name: str, parameters: Mapping[str, object]) -> Preset:
        name = _check_name(name)
        if self.find(name) is not None:
            raise Conflict("Preset {name} already exists", name=name, code="preset_exists", field="name")
        return await self._save(name, parameters)

    async def update(self, name: str, parameters: Mapping[str, object]) -> Preset:
        self._own(name)
        return await self._save(name, parameters)

    async def delete(self, name: str) -> None:
        self._own(name)
        async with self._database.transaction() as session:
            await repository.delete_preset(session, name)
        self._custom.pop(name, None)

    def _own(self, name: str) -> None:
        if name in BUILTIN:
            raise Conflict(
                "Preset {name} is built in and cannot be changed", name=name, code="preset_builtin", hint="Make a copy."
            )
        if name not in self._custom:
            raise NotFound("There is no preset {name}", name=name, code="preset_not_found")

    async def _save(self, name: str, parameters: Mapping[str, object]) -> Preset:
        intonation = _checked(parameters)
        async with self._database.transaction() as session:
            await repository.save_preset(session, name, intonation.model_dump_json())
        preset = _custom(name, intonation)
        self._custom[name] = preset
        return preset


def _custom(name: str, intonation: Intonation) -> Preset:
    return Preset(name, name, intonation, builtin=False)


def _check_name(name: str) -> str:
    name = name.strip()
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "A preset's name has 1 to 64 letters, digits, spaces, dots, dashes or brackets", code="invalid_name", field="name"
        )
    return name


def _checked(parameters: Mapping[str, object]) -> Intonation:
    try:
        return Intonation.model_validate(dict(parameters))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InvalidInput(
            "Parameter {parameter}: {reason}", parameter=field, reason=first["msg"], code="parameter_out_of_range",
            field=f"params.{field}",
        ) from error  # fmt: skip


def engine_parameters(intonation: Intonation, info: VoiceInfo) -> dict[str, float | int | str | bool]:
    """The part of a preset that this voice understands."""
    values = intonation.model_dump(exclude={"speed"})
    return {name: value for name, value in values.items() if name in info.parameters}
