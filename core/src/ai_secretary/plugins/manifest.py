"""What a plugin says of itself, importable without its heavy dependencies."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Capability = Literal["model", "voice", "recogniser", "channel", "page", "stage", "tool", "routes", "job"]
Permission = Literal["network", "subprocess", "serial", "secrets", "money", "files", "microphone", "personal_data"]

_ID = re.compile(r"^[a-z][a-z0-9_]{1,40}$")


class Needs(BaseModel):
    """What the plugin wants of the machine, shown before it is enabled."""

    model_config = ConfigDict(frozen=True)

    ram_mb: int | None = None
    vram_mb: int | None = None
    device: str = ""
    """A device in words, for instance "a SIM7600 modem on USB"."""
    system_packages: tuple[str, ...] = ()
    """Debian packages that must be there."""


class Manifest(BaseModel):
    """Identity and needs of a plugin."""

    model_config = ConfigDict(frozen=True)

    id: str
    """Lower-case letters, digits and underscores; also the prefix of its tables and its translation domain."""
    title: str
    """English message id, translated by the plugin's own catalogue."""
    summary: str
    """One or two sentences on what it does, English message id."""
    version: str
    icon: str = "extension"
    """Material Symbols Outlined name."""
    capabilities: tuple[Capability, ...] = ()
    permissions: tuple[Permission, ...] = ()
    needs: Needs = Needs()
    licence: str = "Apache-2.0"
    """SPDX expression of the plugin itself."""
    licence_notes: tuple[str, ...] = ()
    """What the operator must know of licences (for example of a model's weights)."""
    homepage: str = ""
    reload: Literal["live", "restart"] = Field(default="live")
    """Whether enabling and disabling works at run time or needs a restart."""

    @field_validator("id")
    @classmethod
    def _id_shape(cls, value: str) -> str:
        if not _ID.match(value):
            raise ValueError(f"plugin id {value!r}: lower-case letters, digits and underscores, 2 to 41 characters")
        return value
