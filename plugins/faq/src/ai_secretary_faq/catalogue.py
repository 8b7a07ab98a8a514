"""The FAQ in memory: the index that answers, and its refresh when entries change."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ai_secretary.events import EventBus
from ai_secretary.plugins import TaskOwner
from ai_secretary.storage import Database
from ai_secretary_faq.entries import Entry, Explanation, Match, Rules
from ai_secretary_faq.matching import FaqIndex, build_index
from ai_secretary_faq.options import FaqOptions
from ai_secretary_faq.repository import FaqRepository

log = structlog.get_logger(__name__)

WATCH_EVERY_S: Final = 15.0


@dataclass(slots=True, frozen=True)
class FaqChanged:
    """Publish it after changing entries past `FaqActions` (a restored backup, say): the index is then read anew."""


@dataclass(slots=True, frozen=True)
class FaqReloaded:
    """Published after the index was rebuilt: from now on the new entries answer."""

    entries: int
    enabled: int


def rules_of(options: FaqOptions) -> Rules:
    return Rules(
        threshold=options.threshold / 100,
        keyword_share=options.keyword_share / 100,
        max_words=options.max_words,
        fuzzy=options.fuzzy,
    )


class FaqCatalogue:
    """Holds the newest index. Changes of this process are seen at once, those of another within `WATCH_EVERY_S` seconds."""

    def __init__(self, database: Database, bus: EventBus, tasks: TaskOwner, owner: str = "faq") -> None:
        self._database = database
        self._bus = bus
        self._tasks = tasks
        self._index = FaqIndex(())
        self._version: tuple[int, datetime | None] | None = None
        self._wanted = 0
        self._done = 0
        self._building = asyncio.Lock()
        bus.subscribe(FaqChanged, self._on_change, owner=owner)

    @property
    def loaded(self) -> bool:
        return self._version is not None

    def __len__(self) -> int:
        return len(self._index)

    @property
    def enabled_count(self) -> int:
        return self._index.enabled_count

    async def _on_change(self, _event: FaqChanged) -> None:
        await self.refresh()

    async def refresh(self) -> int:
        """Read all entries and rebuild the index; returns how many there are. Calls that come meanwhile share one rebuild."""
        self._wanted += 1
        mine = self._wanted
        async with self._building:
            if self._done < mine:
                self._done = self._wanted
                await self._rebuild()
        return len(self._index)

    async def _rebuild(self) -> None:
        entries: list[Entry] = []
        async with self._database.session() as session:
            repository = FaqRepository(session)
            # The version first: a change in between makes it stale, never too new.
            version = await repository.version()
            async for chunk in repository.chunks():
                entries.extend(chunk)
        known = self._index.prepared()
        self._index = await asyncio.to_thread(build_index, entries, known)
        self._version = version
        self._bus.publish(FaqReloaded(len(self._index), self._index.enabled_count))

    async def watch(self) -> None:
        """Notice changes made by other processes on the same database; runs until cancelled."""
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                async with self._database.session() as session:
                    version = await FaqRepository(session).version()
                if version != self._version:
                    await self.refresh()
            except (SQLAlchemyError, OSError) as error:
                log.warning("faq_watch_failed", error=type(error).__name__)

    def find(self, text: str, language: str, options: FaqOptions) -> Match | None:
        """The entry that answers `text`, or None; a look-up in memory of at most about 2 ms."""
        if not options.enabled:
            return None
        return self._index.find(text, language, rules_of(options))

    async def explain(self, text: str, language: str, options: FaqOptions) -> Explanation:
        index = self._index
        started = time.perf_counter()
        if options.enabled:
            index.find(text, language, rules_of(options))
        elapsed = (time.perf_counter() - started) * 1000
        explanation = await asyncio.to_thread(index.explain, text, language, rules_of(options))
        if not options.enabled:
            return replace(explanation, match=None, reason="off", milliseconds=elapsed)
        return replace(explanation, milliseconds=elapsed)
