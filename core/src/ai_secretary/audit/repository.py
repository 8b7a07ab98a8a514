"""Every query of the audit table, except writing (`chain`) and checking (`verification`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.audit.models import AuditRow


@dataclass(slots=True, frozen=True)
class AuditFilter:
    """Empty fields do not filter. `actor` is an id or a name; `resource_id` only together with `resource` is fast."""

    action: str = ""
    resource: str = ""
    resource_id: str = ""
    actor: str = ""
    address: str = ""
    since: datetime | None = None
    until: datetime | None = None
    """Exclusive."""


def _filtered(query: Select[Any], wanted: AuditFilter) -> Select[Any]:
    if wanted.action:
        # `faq.` (or `faq.*`) asks for a whole area.
        if wanted.action.rstrip("*").endswith("."):
            query = query.where(AuditRow.action.startswith(wanted.action.rstrip("*"), autoescape=True))
        else:
            query = query.where(AuditRow.action == wanted.action)
    if wanted.resource:
        query = query.where(AuditRow.resource == wanted.resource)
    if wanted.resource_id:
        query = query.where(AuditRow.resource_id == wanted.resource_id)
    if wanted.actor:
        query = query.where((AuditRow.actor_id == wanted.actor) | (AuditRow.actor_name == wanted.actor))
    if wanted.address:
        query = query.where(AuditRow.address == wanted.address)
    if wanted.since is not None:
        query = query.where(AuditRow.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(AuditRow.at < wanted.until)
    return query


class AuditRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditRow]:
        """Newest first, from the row before id `before`."""
        query = _filtered(select(AuditRow), wanted)
        if before is not None:
            query = query.where(AuditRow.id < before)
        return (await self._session.scalars(query.order_by(AuditRow.id.desc()).limit(limit))).all()

    async def count(self, wanted: AuditFilter) -> int:
        return await self._session.scalar(_filtered(select(func.count(AuditRow.id)), wanted)) or 0

    async def counts_by(self, column: Any, wanted: AuditFilter, *, limit: int) -> list[tuple[str, int]]:
        number = func.count(AuditRow.id)
        query = _filtered(select(column, number), wanted).group_by(column).order_by(number.desc(), column).limit(limit)
        return [(str(name), int(count)) for name, count in (await self._session.execute(query)).all()]


@dataclass(slots=True, frozen=True)
class Prefix:
    """The oldest part of a chain, up to and including `seq`, that may go."""

    chain: str
    seq: int
    hash: str
    rows: int


def prefixes_older_than(connection: Connection, cutoff: datetime) -> list[Prefix]:
    """Per chain, what lies before its first row that is younger than `cutoff`. The last row of a chain always stays."""
    found: list[Prefix] = []
    for chain, last in connection.execute(select(AuditRow.chain, func.max(AuditRow.seq)).group_by(AuditRow.chain)).all():
        young = connection.scalar(select(func.min(AuditRow.seq)).where(AuditRow.chain == chain, AuditRow.at >= cutoff))
        seq = (young if young is not None else last) - 1
        row = connection.execute(select(AuditRow.hash).where(AuditRow.chain == chain, AuditRow.seq == seq)).first()
        if row is not None:
            rows = connection.scalar(select(func.count(AuditRow.id)).where(AuditRow.chain == chain, AuditRow.seq <= seq)) or 0
            found.append(Prefix(chain, seq, row.hash, rows))
    return found


def delete_prefix(connection: Connection, prefix: Prefix) -> None:
    connection.execute(delete(AuditRow).where(AuditRow.chain == prefix.chain, AuditRow.seq <= prefix.seq))
