"""What the page's sections share. Free of NiceGUI."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ai_secretary.jobs import Job
from ai_secretary_llm_local.memory import Memory
from ai_secretary_llm_local.service import ModelStatus, Recommendation

if TYPE_CHECKING:
    from ai_secretary_llm_local.service import LocalModels


WRAPPING = "max-md:flex-wrap max-md:[&>.as-rowtext]:basis-3/5 max-md:[&>.as-rowtext]:grow"
"""Classes of a row whose right side goes to a line of its own on a phone, while icon and text stay together."""


class Section(Protocol):
    """A part of the page."""

    def key(self) -> Hashable:
        """Changes whenever what is shown changes."""
        ...

    def draw(self) -> None: ...


@dataclass(slots=True, frozen=True)
class Reader:
    """Who looks."""

    may_write: bool
    may_delete: bool
    language: str


@dataclass(slots=True, frozen=True)
class Data:
    """One reading of everything that is shown."""

    statuses: list[ModelStatus]
    recommendations: list[Recommendation]
    jobs: list[Job]
    memory: Memory

    def suggestion(self, models: LocalModels, language: str) -> Recommendation | None:
        """The best file for this machine that is good in the reader's language."""
        first = [item for item in self.recommendations if item.entry.languages[0] == language]
        any_place = [item for item in self.recommendations if language in item.entry.languages]
        found = [item for item in (models.best(first), models.best(any_place)) if item is not None]
        return max(found, key=lambda item: (item.fluent, item.entry.size), default=None)
