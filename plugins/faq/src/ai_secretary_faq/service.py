"""The rules of the FAQ. Works inside a session and never commits: the caller's boundary does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.errors import Conflict, InvalidInput, NotFound, SecretaryError
from ai_secretary.ids import new_id
from ai_secretary.storage import now
from ai_secretary_faq.drafts import ENTRIES, Draft, check
from ai_secretary_faq.entries import Entry
from ai_secretary_faq.repository import FaqRepository

OnExisting = Literal["update", "skip"]


@dataclass(slots=True, frozen=True)
class Line:
    """One entry of an imported file: its line (CSV) or number (JSON), and a draft or what is wrong with it."""

    number: int
    draft: Draft | None
    key: tuple[str, str] = ("", "")
    """The draft's key: folding thousands of questions is not for the event loop."""
    error: SecretaryError | None = None


@dataclass(slots=True, frozen=True)
class ImportReport:
    total: int
    added: int
    updated: int
    unchanged: int
    skipped: int
    errors: tuple[tuple[int, SecretaryError], ...]
    dry_run: bool


class FaqService:
    def __init__(self, session: AsyncSession) -> None:
        self._entries = FaqRepository(session)

    async def get(self, entry_id: str) -> Entry:
        entry = await self._entries.get(entry_id)
        if entry is None:
            raise NotFound("There is no FAQ entry {id}", id=entry_id[:60], code="faq_not_found")
        return entry

    async def create(self, draft: Draft) -> Entry:
        await self._room_for(1)
        moment = now()
        entry = _entry(new_id("faq"), draft, moment, moment)
        await self._claim(entry)
        await self._add([entry])
        return entry

    async def restore(self, entry: Entry) -> Entry:
        """Bring a deleted entry back as it was, with its id and its hits."""
        if await self._entries.get(entry.id) is not None:
            return entry
        await self._room_for(1)
        entry = replace(entry, updated_at=now())
        await self._claim(entry)
        await self._add([entry])
        return entry

    async def update(self, entry_id: str, changes: Mapping[str, object]) -> tuple[Entry, Entry]:
        """Change the given fields; None clears a field that may be empty. Returns the entry before and after."""
        before = await self.get(entry_id)
        for required in ("question", "answer", "enabled"):
            if required in changes and changes[required] is None:
                raise InvalidInput("{name} cannot be empty", name=required, field=required, code="faq_field_required")
        keywords = changes.get("keywords", before.keywords)
        draft = check(
            str(changes.get("question", before.question)),
            str(changes.get("answer", before.answer)),
            [str(keyword) for keyword in keywords] if isinstance(keywords, (list, tuple)) else (),
            None if (language := changes.get("language", before.language)) is None else str(language),
            bool(changes.get("enabled", before.enabled)),
        )
        after = replace(
            before,
            question=draft.question,
            answer=draft.answer,
            keywords=draft.keywords,
            language=draft.language,
            enabled=draft.enabled,
            updated_at=max(now(), before.updated_at + timedelta(microseconds=1)),
        )
        await self._claim(after)
        try:
            await self._entries.replace(after)
        except IntegrityError as error:
            raise _taken(after.question) from error
        return before, after

    async def delete(self, entry_id: str) -> Entry:
        entry = await self.get(entry_id)
        await self._entries.delete(entry_id)
        return entry

    async def import_lines(self, lines: Sequence[Line], on_existing: OnExisting, *, dry_run: bool) -> ImportReport:
        """Add what is new, update or skip what is there; a wrong line is reported and the others are taken."""
        existing: dict[tuple[str, str], Entry] = {}
        async for chunk in self._entries.chunks():
            for entry in chunk:
                existing[Draft(entry.question, "", (), entry.language).key] = entry
        errors: list[tuple[int, SecretaryError]] = []
        seen: dict[tuple[str, str], int] = {}
        fresh: list[Entry] = []
        updates: list[Entry] = []
        unchanged = skipped = 0
        moment = now()
        for count, line in enumerate(lines, 1):
            if not count % 500:
                await asyncio.sleep(0)  # let others work between
            if line.draft is None:
                errors.append((line.number, line.error or InvalidInput("The line cannot be read", code="faq_line")))
                continue
            earlier = seen.setdefault(line.key, line.number)
            if earlier != line.number:
                errors.append(
                    (line.number, Conflict("The same question is on line {line}", line=earlier, code="faq_question_twice"))
                )
                continue
            old = existing.get(line.key)
            if old is None:
                if len(existing) + len(fresh) >= ENTRIES:
                    errors.append((line.number, _full()))
                    continue
                # Later lines are later entries, so that the file's order decides among equals.
                created = moment + timedelta(microseconds=len(fresh))
                fresh.append(_entry(new_id("faq"), line.draft, created, moment))
            elif _draft(old) == line.draft:
                unchanged += 1
            elif on_existing == "skip":
                skipped += 1
            else:
                updates.append(
                    replace(
                        old,
                        question=line.draft.question,
                        answer=line.draft.answer,
                        keywords=line.draft.keywords,
                        language=line.draft.language,
                        enabled=line.draft.enabled,
                        updated_at=max(moment, old.updated_at + timedelta(microseconds=1)),
                    )
                )
        if not dry_run:
            await self._add(fresh)
            for entry in updates:
                await self._entries.replace(entry)
        return ImportReport(len(lines), len(fresh), len(updates), unchanged, skipped, tuple(errors), dry_run)

    async def _add(self, entries: Sequence[Entry]) -> None:
        try:
            await self._entries.add(entries)
        except IntegrityError as error:
            raise _taken(entries[0].question) from error

    async def _room_for(self, n: int) -> None:
        if await self._entries.count() + n > ENTRIES:
            raise _full()

    async def _claim(self, entry: Entry) -> None:
        other = await self._entries.find_question(*_key(entry))
        if other is not None and other.id != entry.id:
            raise _taken(entry.question)


def _key(entry: Entry) -> tuple[str, str | None]:
    key, language = _draft(entry).key
    return key, language or None


def _draft(entry: Entry) -> Draft:
    return Draft(entry.question, entry.answer, entry.keywords, entry.language, entry.enabled)


def _entry(entry_id: str, draft: Draft, created_at: datetime, updated_at: datetime) -> Entry:
    return Entry(
        id=entry_id,
        question=draft.question,
        answer=draft.answer,
        keywords=draft.keywords,
        language=draft.language,
        enabled=draft.enabled,
        hit_count=0,
        last_hit_at=None,
        created_at=created_at,
        updated_at=updated_at,
    )


def _taken(question: str) -> Conflict:
    return Conflict(
        "The question “{question}” is already in the FAQ",
        question=question,
        code="faq_question_taken",
        field="question",
        hint="Change the existing entry, or set another language for this one.",
    )


def _full() -> Conflict:
    return Conflict("The FAQ is full: it holds {n} entries", n=ENTRIES, code="faq_full", hint="Delete entries that never match.")
