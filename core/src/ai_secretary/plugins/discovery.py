"""Find installed plugins by their entry point and judge them before anything of theirs is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from ai_secretary import __version__
from ai_secretary.plugins.builtin import BUILTIN_DISTRIBUTIONS
from ai_secretary.plugins.plugin import ENTRY_POINT_GROUP

_CORE_NAME = "ai-secretary"


def canonical(name: str) -> str:
    """A distribution's name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@dataclass(slots=True, frozen=True)
class Found:
    """An installed plugin, not imported yet."""

    id: str
    """The entry point's name."""
    entry_point: metadata.EntryPoint
    distribution: str
    version: str
    summary: str
    licence: str
    requires_core: str
    """Version range from the distribution's own requirement on `ai-secretary`; empty if it names none."""

    @property
    def builtin(self) -> bool:
        return self.distribution in BUILTIN_DISTRIBUTIONS

    @property
    def compatible(self) -> bool:
        return Requirement(f"{_CORE_NAME}{self.requires_core}").specifier.contains(Version(__version__), prereleases=True)


def _core_range(requirements: Iterable[str]) -> str:
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonical(requirement.name) == _CORE_NAME and requirement.marker is None:
            return str(requirement.specifier)
    return ""


def _field(details: metadata.PackageMetadata, name: str) -> str:
    return details[name] if name in details else ""  # noqa: SIM401 - typed without get()


def discover() -> list[Found]:
    """Every plugin installed in this environment, by id. Reads metadata files only."""
    found: list[Found] = []
    for entry_point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        distribution = entry_point.dist
        if distribution is None:
            continue
        details = distribution.metadata
        found.append(
            Found(
                id=entry_point.name,
                entry_point=entry_point,
                distribution=canonical(distribution.name),
                version=distribution.version,
                summary=_field(details, "Summary"),
                licence=_field(details, "License-Expression") or _field(details, "License"),
                requires_core=_core_range(distribution.requires or ()),
            )
        )
    return sorted(found, key=lambda item: item.id)
