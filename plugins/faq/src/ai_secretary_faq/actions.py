"""What a person can do with the FAQ: one call, one transaction, one line in the audit log. Shared by the API and the panel."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ai_secretary.audit import AuditEvent
from ai_secretary.plugins import PluginContext
from ai_secretary_faq import exchange
from ai_secretary_faq.catalogue import FaqCatalogue
from ai_secretary_faq.drafts import Draft
from ai_secretary_faq.entries import Entry, Explanation
from ai_secretary_faq.hits import HitCounter
from ai_secretary_faq.options import FaqOptions
from ai_secretary_faq.placeholders import fill
from ai_secretary_faq.repository import FaqRepository, Sort
from ai_secretary_faq.service import FaqService, ImportReport, OnExisting

Format = Literal["json", "csv"]


@dataclass(slots=True, frozen=True)
class Tested:
    """Result of a try: the explanation and the answer as the person would get it."""

    explanation: Explanation
    answer: str | None


class FaqActions:
    """Each change is committed, audited and already answering when its call returns."""

    def __init__(self, context: PluginContext, catalogue: FaqCatalogue, hits: HitCounter) -> None:
        self._context = context
        self._database = context.database
        self.catalogue = catalogue
        self._hits = hits

    @property
    def options(self) -> FaqOptions:
        return self._context.options(FaqOptions)

    async def page(
        self,
        *,
        search: str = "",
        enabled: bool | None = None,
        language: str | None = None,
        sort: Sort = "newest",
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Entry], int]:
        """A page of entries and how many fit in all. `language` "": those that answer in every language."""
        await self._hits.flush()
        async with self._database.session() as session:
            return await FaqRepository(session).page(
                search=search, enabled=enabled, language=language, sort=sort, limit=limit, offset=offset
            )

    async def get(self, entry_id: str) -> Entry:
        await self._hits.flush()
        async with self._database.session() as session:
            return await FaqService(session).get(entry_id)

    async def create(self, draft: Draft) -> Entry:
        async with self._database.transaction() as session:
            entry = await FaqService(session).create(draft)
        await self._changed("faq.create", entry.id, {"question": entry.question})
        return entry

    async def update(self, entry_id: str, changes: Mapping[str, object]) -> Entry:
        """Only the given fields change; None clears `keywords` or `language`."""
        async with self._database.transaction() as session:
            before, after = await FaqService(session).update(entry_id, changes)
        fields = [
            name
            for name in ("question", "answer", "keywords", "language", "enabled")
            if getattr(before, name) != getattr(after, name)
        ]
        if fields:
            await self._changed("faq.update", entry_id, {"question": after.question, "fields": fields})
        return after

    async def delete(self, entry_id: str) -> Entry:
        """Returns the deleted entry, for `restore`."""
        await self._hits.flush()
        async with self._database.transaction() as session:
            entry = await FaqService(session).delete(entry_id)
        await self._changed("faq.delete", entry_id, {"question": entry.question})
        return entry

    async def restore(self, entry: Entry) -> Entry:
        async with self._database.transaction() as session:
            restored = await FaqService(session).restore(entry)
        await self._changed("faq.restore", entry.id, {"question": entry.question})
        return restored

    async def save_options(self, options: FaqOptions) -> None:
        await self._context.save_options(options)
        self._context.audit.record(AuditEvent(action="faq.options", resource="faq", details=options.model_dump()))

    async def reload(self) -> int:
        """Read the entries again, as after a change made directly in the database."""
        count = await self.catalogue.refresh()
        self._context.audit.record(AuditEvent(action="faq.reload", resource="faq", details={"count": count}))
        return count

    async def test(self, text: str, language: str, timezone: str) -> Tested:
        """What would be answered, and why; counts no hit."""
        explanation = await self.catalogue.explain(text, language, self.options)
        match = explanation.match
        return Tested(explanation, None if match is None else fill(match.entry.answer, language, timezone))

    async def import_file(self, data: bytes, file_format: Format, *, on_existing: OnExisting, dry_run: bool) -> ImportReport:
        """Raises `InvalidInput` when the file cannot be read at all; wrong lines are in the report, the others are taken."""
        lines = await asyncio.to_thread(exchange.read_json if file_format == "json" else exchange.read_csv, data)
        async with self._database.transaction() as session:
            report = await FaqService(session).import_lines(lines, on_existing, dry_run=dry_run)
        if not dry_run:
            details = {"added": report.added, "updated": report.updated, "errors": len(report.errors), "format": file_format}
            await self._changed("faq.import", "", details)
        return report

    async def export_file(self, file_format: Format) -> bytes:
        entries: list[Entry] = []
        async with self._database.session() as session:
            async for chunk in FaqRepository(session).chunks():
                entries.extend(chunk)
        data = await asyncio.to_thread(_write, entries, file_format)
        self._context.audit.record(
            AuditEvent(action="faq.export", resource="faq", details={"count": len(entries), "format": file_format})
        )
        return data

    async def _changed(self, action: str, entry_id: str, details: dict[str, Any]) -> None:
        self._context.audit.record(AuditEvent(action=action, resource="faq", resource_id=entry_id, details=details))
        await self.catalogue.refresh()


def _write(entries: Sequence[Entry], file_format: Format) -> bytes:
    return exchange.to_json(entries) if file_format == "json" else exchange.to_csv(entries)
