"""Counting answers off the hot path: a hit is a dictionary entry, written to the database in batches."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from ai_secretary.plugins import TaskOwner
from ai_secretary.storage import Database, now
from ai_secretary_faq.repository import FaqRepository

log = structlog.get_logger(__name__)

FLUSH_AFTER_S: Final = 2.0


class HitCounter:
    """At most `FLUSH_AFTER_S` seconds of hits are unwritten; those of a failed write are kept and written with the next."""

    def __init__(self, database: Database, tasks: TaskOwner, *, flush_after_s: float = FLUSH_AFTER_S) -> None:
        self._database = database
        self._tasks = tasks
        self._flush_after_s = flush_after_s
        self._pending: dict[str, tuple[int, datetime]] = {}
        self._flusher: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()

    def add(self, entry_id: str) -> None:
        """Must be called on the event loop."""
        count, _ = self._pending.get(entry_id, (0, None))
        self._pending[entry_id] = (count + 1, now())
        if self._flusher is None or self._flusher.done():
            self._flusher = self._tasks.spawn(self._flush_later(), name="hits")

    async def _flush_later(self) -> None:
        while self._pending:
            await asyncio.sleep(self._flush_after_s)
            await self.flush()

    async def flush(self) -> None:
        """Write what has been counted so far."""
        async with self._writing:
            hits, self._pending = self._pending, {}
            if not hits:
                return
            try:
                async with self._database.transaction() as session:
                    await FaqRepository(session).add_hits(hits)
            except BaseException as error:
                for entry_id, (count, last) in hits.items():
                    later, latest = self._pending.get(entry_id, (0, last))
                    self._pending[entry_id] = (later + count, max(latest, last))
                if not isinstance(error, SQLAlchemyError | OSError):
                    raise
                log.warning("faq_hits_not_written", entries=len(hits), error=type(error).__name__)
