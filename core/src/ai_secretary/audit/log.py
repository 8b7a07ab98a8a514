"""The audit log as the rest of the house sees it."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, TypeVar

import structlog
from sqlalchemy import Connection

from ai_secretary.audit.chain import DEFAULT_CHAIN, ChainWriter
from ai_secretary.audit.ddl import KEEP_DAYS
from ai_secretary.audit.event import AuditEvent, AuditSink
from ai_secretary.audit.models import AuditRow
from ai_secretary.audit.repository import AuditFilter, AuditRepository, delete_prefix, prefixes_older_than
from ai_secretary.audit.verification import ANCHOR_ACTION, Verification, verify
from ai_secretary.errors import InvalidInput
from ai_secretary.storage import Database, now

log = structlog.get_logger(__name__)

T = TypeVar("T")

LONGEST_PAGE = 500
_EXPORT_PAGE = 1000
_CSV_COLUMNS = (
    "id",
    "at",
    "action",
    "resource",
    "resource_id",
    "actor_kind",
    "actor_id",
    "actor_name",
    "address",
    "request_id",
    "details",
    "chain",
    "seq",
    "hash",
)


@dataclass(slots=True, frozen=True)
class Page:
    rows: Sequence[AuditRow]
    next: int | None
    """Pass as `before` to get the next page; None: there is none."""


@dataclass(slots=True, frozen=True)
class AuditStats:
    total: int
    last_24h: int
    by_action: list[tuple[str, int]]
    by_resource: list[tuple[str, int]]
    by_actor: list[tuple[str, int]]


class AuditLog:
    """`record` hands an event to the sink and returns at once. Everything else is for people who read the log."""

    def __init__(self, database: Database, sink: AuditSink, *, chain: str = DEFAULT_CHAIN) -> None:
        self._database = database
        self.sink = sink
        """Where events go; the composition root may put the journal here later."""
        self._writer = ChainWriter(chain)

    def record(self, event: AuditEvent) -> None:
        """Never blocks and never fails the caller: an audit that cannot be written is logged as an error."""
        try:
            self.sink.submit(event.complete())
        except Exception:
            log.exception("audit_record_failed", action=event.action, resource=event.resource)

    async def query(self, wanted: AuditFilter | None = None, *, before: int | None = None, limit: int = 100) -> Page:
        """Newest first, at most 500 rows."""
        limit = max(1, min(limit, LONGEST_PAGE))
        async with self._database.session() as session:
            rows = await AuditRepository(session).page(wanted or AuditFilter(), before=before, limit=limit + 1)
        return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)

    async def stats(self, wanted: AuditFilter | None = None, *, top: int = 50) -> AuditStats:
        wanted = wanted or AuditFilter()
        day_ago = now() - timedelta(hours=24)
        recent = AuditFilter(since=max(wanted.since, day_ago) if wanted.since else day_ago, until=wanted.until)
        async with self._database.session() as session:
            repository = AuditRepository(session)
            return AuditStats(
                total=await repository.count(wanted),
                last_24h=await repository.count(recent),
                by_action=await repository.counts_by(AuditRow.action, wanted, limit=top),
                by_resource=await repository.counts_by(AuditRow.resource, wanted, limit=top),
                by_actor=await repository.counts_by(AuditRow.actor_name, wanted, limit=top),
            )

    async def export(self, form: Literal["json", "csv"], wanted: AuditFilter | None = None) -> AsyncIterator[bytes]:
        """The matching rows, newest first, piece by piece: a JSON array, or CSV that no spreadsheet takes for formulas."""
        render = _CsvPieces() if form == "csv" else _JsonPieces()
        yield render.head()
        before: int | None = None
        while True:
            async with self._database.session() as session:
                rows = await AuditRepository(session).page(wanted or AuditFilter(), before=before, limit=_EXPORT_PAGE)
            if rows:
                yield await asyncio.to_thread(render.rows, rows)
                before = rows[-1].id
            if len(rows) < _EXPORT_PAGE:
                break
        yield render.tail()

    async def cleanup(self, days: int) -> int:
        """Delete rows older than `days` (7 or more) and write an anchor, so that what remains can still be verified.

        Returns how many were deleted. Raises `InvalidInput` for fewer days.
        """
        if days < KEEP_DAYS:
            raise InvalidInput(
                "The audit log keeps the last {minimum} days",
                code="audit_keep",
                field="days",
                minimum=KEEP_DAYS,
                hint="Ask for more days.",
            )
        event = AuditEvent(ANCHOR_ACTION, "audit")
        return await self._blocking(lambda connection: self._cleanup(connection, days, event.complete()))

    def _cleanup(self, connection: Connection, days: int, event: AuditEvent) -> int:
        prefixes = prefixes_older_than(connection, now() - timedelta(days=days))
        deleted = sum(prefix.rows for prefix in prefixes)
        event.details = {
            "days": days,
            "deleted": deleted,
            "anchors": {prefix.chain: {"seq": prefix.seq, "hash": prefix.hash} for prefix in prefixes},
        }
        self._writer.append(connection, [event])
        for prefix in prefixes:
            delete_prefix(connection, prefix)
        return deleted

    async def verify(self) -> Verification:
        """Recompute every hash of every chain."""
        return await self._blocking(verify)

    async def _blocking(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a thread, in a transaction of a blocking engine."""

        def run() -> T:
            engine = self._database.blocking_engine()
            try:
                with engine.begin() as connection:
                    return work(connection)
            finally:
                engine.dispose()

        return await asyncio.to_thread(run)


def row_as_dict(row: AuditRow) -> dict[str, Any]:
    """A row for people and programs; `details` as an object."""
    return {
        "id": row.id,
        "at": row.at.isoformat(),
        "action": row.action,
        "resource": row.resource,
        "resource_id": row.resource_id,
        "actor_kind": row.actor_kind,
        "actor_id": row.actor_id,
        "actor_name": row.actor_name,
        "address": row.address,
        "request_id": row.request_id,
        "details": json.loads(row.details),
        "chain": row.chain,
        "seq": row.seq,
        "hash": row.hash,
    }


class _JsonPieces:
    def __init__(self) -> None:
        self._first = True

    def head(self) -> bytes:
        return b"["

    def rows(self, rows: Sequence[AuditRow]) -> bytes:
        text = ",\n".join(json.dumps(row_as_dict(row), ensure_ascii=False) for row in rows)
        prefix, self._first = ("\n" if self._first else ",\n"), False
        return (prefix + text).encode()

    def tail(self) -> bytes:
        return b"\n]\n"


def safe_cell(value: str) -> str:
    """A cell that a spreadsheet shows as text even if it looks like a formula (CWE-1236)."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r", "\n", "|") else value


class _CsvPieces:
    def head(self) -> bytes:
        # The mark lets spreadsheets see UTF-8.
        return b"\xef\xbb\xbf" + self._line(_CSV_COLUMNS).encode()

    def rows(self, rows: Sequence[AuditRow]) -> bytes:
        lines = []
        for row in rows:
            cells = row_as_dict(row) | {"details": row.details}
            lines.append(self._line([safe_cell(str(cells[name])) for name in _CSV_COLUMNS]))
        return "".join(lines).encode()

    def tail(self) -> bytes:
        return b""

    @staticmethod
    def _line(cells: Sequence[str]) -> str:
        out = io.StringIO()
        csv.writer(out, quoting=csv.QUOTE_ALL).writerow(cells)
        return out.getvalue()
