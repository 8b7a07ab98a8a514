"""Checking the chains: was a row changed, removed or put in between?"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Row, select

from ai_secretary.audit.chain import START, canonical, row_hash
from ai_secretary.audit.models import AuditRow

ANCHOR_ACTION = "audit.cleanup"
"""The event that a cleanup writes: its details hold, per chain, the last deleted `seq` and `hash`."""

_PAGE = 2000
_MOST_BREAKS = 50


@dataclass(slots=True, frozen=True)
class Break:
    """A place where a chain does not hold. `kind`: `changed`, `missing`, `relinked` or `unanchored`."""

    chain: str
    seq: int
    kind: str


@dataclass(slots=True, frozen=True)
class ChainHead:
    """The end of a chain. Kept elsewhere, it proves later that nothing was cut off."""

    chain: str
    seq: int
    hash: str
    rows: int


@dataclass(slots=True)
class Verification:
    rows: int = 0
    breaks: list[Break] = field(default_factory=list)
    heads: list[ChainHead] = field(default_factory=list)

    @property
    def intact(self) -> bool:
        return not self.breaks


def _rows(connection: Connection, chain: str) -> Iterator[Row[Any]]:
    after = -1
    while True:
        query = (
            select(AuditRow.__table__).where(AuditRow.chain == chain, AuditRow.seq > after).order_by(AuditRow.seq).limit(_PAGE)
        )
        page = connection.execute(query).all()
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1].seq


def _anchors(text: str) -> dict[str, tuple[int, str]]:
    details = json.loads(text)
    found: dict[str, tuple[int, str]] = {}
    for chain, anchor in cast(dict[str, Any], details.get("anchors", {})).items():
        found[chain] = (int(anchor["seq"]), str(anchor["hash"]))
    return found


def verify(connection: Connection) -> Verification:
    """Read every row of every chain and recompute its hash. Blocking; run it in a thread."""
    result = Verification()
    first: dict[str, tuple[int, str]] = {}
    anchors: dict[str, set[tuple[int, str]]] = defaultdict(set)
    chains = connection.execute(select(AuditRow.chain).distinct().order_by(AuditRow.chain)).scalars().all()

    def broken(chain: str, seq: int, kind: str) -> None:
        if len(result.breaks) < _MOST_BREAKS:
            result.breaks.append(Break(chain, seq, kind))

    for chain in chains:
        last: Row[Any] | None = None
        count = 0
        for row in _rows(connection, chain):
            count += 1
            expected = row_hash(
                row.prev_hash,
                canonical(
                    chain=row.chain,
                    seq=row.seq,
                    at=row.at,
                    action=row.action,
                    resource=row.resource,
                    resource_id=row.resource_id,
                    actor_kind=row.actor_kind,
                    actor_id=row.actor_id,
                    actor_name=row.actor_name,
                    address=row.address,
                    request_id=row.request_id,
                    details=row.details,
                ),
            )
            if expected != row.hash:
                broken(chain, row.seq, "changed")
            elif row.action == ANCHOR_ACTION:
                for name, anchor in _anchors(row.details).items():
                    anchors[name].add(anchor)
            if last is None:
                first[chain] = (row.seq, row.prev_hash)
            elif row.seq != last.seq + 1:
                broken(chain, last.seq + 1, "missing")
            elif row.prev_hash != last.hash:
                broken(chain, row.seq, "relinked")
            last = row
        result.rows += count
        if last is not None:
            result.heads.append(ChainHead(chain, last.seq, last.hash, count))

    for chain, (seq, prev_hash) in first.items():
        # A chain starts at its beginning, or right behind what a recorded cleanup took away.
        if (seq, prev_hash) != (1, START) and (seq - 1, prev_hash) not in anchors[chain]:
            broken(chain, seq, "unanchored")
    return result
