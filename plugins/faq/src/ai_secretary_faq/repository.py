"""Every query of the FAQ."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeVarTuple

from sqlalchemy import ColumnElement, Row, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary_faq.entries import Entry
from ai_secretary_faq.models import FaqEntryRow
from ai_secretary_faq.text import fold

_Ts = TypeVarTuple("_Ts")
Sort = Literal["newest", "oldest", "hits", "question"]
_CHUNK: Final = 500
"""Rows per round trip, so that turning them into objects never holds the event loop for long."""
_COLUMNS = (
    FaqEntryRow.id,
    FaqEntryRow.question,
    FaqEntryRow.answer,
    FaqEntryRow.keywords,
    FaqEntryRow.language,
    FaqEntryRow.enabled,
    FaqEntryRow.hit_count,
    FaqEntryRow.last_hit_at,
    FaqEntryRow.created_at,
    FaqEntryRow.updated_at,
)


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    return Entry(
        id=row.id,
        question=row.question,
        answer=row.answer,
        keywords=tuple(row.keywords),
        language=row.language or None,
        enabled=row.enabled,
        hit_count=row.hit_count,
        last_hit_at=row.last_hit_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _values(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "question": entry.question,
        "question_key": fold(entry.question),
        "answer": entry.answer,
        "keywords": list(entry.keywords),
        "language": entry.language or "",
        "enabled": entry.enabled,
        "search_text": fold(" ".join((entry.question, *entry.keywords, entry.answer))),
        "hit_count": entry.hit_count,
        "last_hit_at": entry.last_hit_at,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
    }


class FaqRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, entry_id: str) -> Entry | None:
        row = (await self._session.execute(select(*_COLUMNS).where(FaqEntryRow.id == entry_id))).one_or_none()
        return None if row is None else _entry(row)

    async def find_question(self, key: str, language: str | None) -> Entry | None:
        """The entry with this folded question in exactly this language (None: in all languages)."""
        query = select(*_COLUMNS).where(FaqEntryRow.question_key == key, FaqEntryRow.language == (language or ""))
        row = (await self._session.execute(query)).one_or_none()
        return None if row is None else _entry(row)

    async def page(
        self, *, search: str, enabled: bool | None, language: str | None, sort: Sort, limit: int, offset: int
    ) -> tuple[list[Entry], int]:
        """A page and the number of all entries that fit. Every word of `search` must occur in question, keywords or answer."""
        conditions = _filters(search, enabled, language)
        total = (await self._session.execute(select(func.count()).select_from(FaqEntryRow).where(*conditions))).scalar_one()
        query = _sorted(select(*_COLUMNS).where(*conditions), sort).limit(limit).offset(offset)
        return [_entry(row) for row in (await self._session.execute(query)).all()], total

    async def count(self) -> int:
        return int((await self._session.execute(select(func.count()).select_from(FaqEntryRow))).scalar_one())

    async def version(self) -> tuple[int, datetime | None]:
        """Changes whenever an entry is added, changed or deleted, by whichever process."""
        row = (await self._session.execute(select(func.count(), func.max(FaqEntryRow.updated_at)))).one()
        return int(row[0]), row[1]

    async def chunks(self) -> AsyncIterator[list[Entry]]:
        """All entries, oldest first."""
        last: tuple[datetime, str] | None = None
        while True:
            query = select(*_COLUMNS).order_by(FaqEntryRow.created_at, FaqEntryRow.id).limit(_CHUNK)
            if last is not None:
                created, entry_id = last
                query = query.where(
                    or_(
                        FaqEntryRow.created_at > created,
                        and_(FaqEntryRow.created_at == created, FaqEntryRow.id > entry_id),
                    )
                )
            found = [_entry(row) for row in (await self._session.execute(query)).all()]
            if not found:
                return
            yield found
            last = (found[-1].created_at, found[-1].id)

    async def add(self, entries: Sequence[Entry]) -> None:
        for start in range(0, len(entries), _CHUNK):
            await self._session.execute(insert(FaqEntryRow), [_values(entry) for entry in entries[start : start + _CHUNK]])

    async def replace(self, entry: Entry) -> None:
        """Write the content of an entry; its hits are left to `add_hits`."""
        values = _values(entry)
        for kept in ("id", "hit_count", "last_hit_at", "created_at"):
            del values[kept]
        await self._session.execute(update(FaqEntryRow).where(FaqEntryRow.id == entry.id).values(**values))

    async def delete(self, entry_id: str) -> None:
        await self._session.execute(delete(FaqEntryRow).where(FaqEntryRow.id == entry_id))

    async def add_hits(self, hits: Mapping[str, tuple[int, datetime]]) -> None:
        """`hits` per entry id: how many, and when the last one was. Ids that are gone are ignored."""
        for entry_id, (count, last) in hits.items():
            await self._session.execute(
                update(FaqEntryRow)
                .where(FaqEntryRow.id == entry_id)
                .values(hit_count=FaqEntryRow.hit_count + count, last_hit_at=last)
            )


def _filters(search: str, enabled: bool | None, language: str | None) -> list[ColumnElement[bool]]:
    # A folded word has no "%" or "_" left in it, so nothing needs escaping.
    conditions: list[ColumnElement[bool]] = [FaqEntryRow.search_text.like(f"%{word}%") for word in fold(search).split()]
    if enabled is not None:
        conditions.append(FaqEntryRow.enabled.is_(enabled))
    if language is not None:
        conditions.append(FaqEntryRow.language == language)
    return conditions


def _sorted(query: Select[*_Ts], sort: Sort) -> Select[*_Ts]:
    if sort == "oldest":
        return query.order_by(FaqEntryRow.created_at, FaqEntryRow.id)
    if sort == "hits":
        return query.order_by(FaqEntryRow.hit_count.desc(), FaqEntryRow.created_at, FaqEntryRow.id)
    if sort == "question":
        return query.order_by(FaqEntryRow.question_key, FaqEntryRow.id)
    return query.order_by(FaqEntryRow.created_at.desc(), FaqEntryRow.id.desc())
