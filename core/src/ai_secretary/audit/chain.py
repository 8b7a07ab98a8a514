"""The hash chain: each row's hash covers the row and the hash of the row before it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, select, text

from ai_secretary.audit.event import AuditEvent
from ai_secretary.audit.models import AuditRow
from ai_secretary.storage import micros

DEFAULT_CHAIN = "main"
START = "0" * 64
"""What stands for the previous hash in the first row of a chain."""

_TABLE = AuditRow.__table__
_INSERT = insert(AuditRow)


def canonical(
    *,
    chain: str,
    seq: int,
    at: datetime,
    action: str,
    resource: str,
    resource_id: str,
    actor_kind: str,
    actor_id: str,
    actor_name: str,
    address: str,
    request_id: str,
    details: str,
) -> bytes:
    """The bytes of a row that are hashed: a JSON array, so that no value can imitate two fields."""
    moment = micros(at)
    fields = [
        chain,
        seq,
        moment,
        action,
        resource,
        resource_id,
        actor_kind,
        actor_id,
        actor_name,
        address,
        request_id,
        details,
    ]
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def row_hash(prev_hash: str, row: bytes) -> str:
    """BLAKE2b-256 over the previous hash and the canonical row, hexadecimal."""
    return hashlib.blake2b(prev_hash.encode() + row, digest_size=32).hexdigest()


def _clean(value: str) -> str:
    # PostgreSQL stores neither NUL nor lone surrogates; what is hashed must be what is stored.
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _details(event: AuditEvent) -> str:
    encoded = json.dumps(event.details, ensure_ascii=False, separators=(",", ":"), default=str)
    return _clean(encoded.replace("\\u0000", "\\ufffd"))


class ChainWriter:
    """Appends events to one chain, inside the caller's transaction: rolled back with it, committed with it.

    Holds no state between calls, so a rolled back batch leaves nothing to repair. Two processes may write the same chain
    (the database serialises them), but a chain per node saves them the waiting.
    """

    def __init__(self, chain: str = DEFAULT_CHAIN) -> None:
        self.chain = chain

    def append(self, connection: Connection, events: Sequence[AuditEvent]) -> None:
        """Insert completed events (see `AuditEvent.complete`) in this order, with one executemany."""
        if not events:
            return
        self._lock(connection)
        last = connection.execute(
            select(_TABLE.c.seq, _TABLE.c.hash).where(_TABLE.c.chain == self.chain).order_by(_TABLE.c.seq.desc()).limit(1)
        ).first()
        seq, previous = (last.seq, last.hash) if last is not None else (0, START)
        rows = []
        for event in events:
            seq += 1
            row: dict[str, object] = {
                "chain": self.chain,
                "seq": seq,
                "at": event.at,
                "action": _clean(event.action),
                "resource": _clean(event.resource),
                "resource_id": _clean(event.resource_id),
                "actor_kind": _clean(event.actor_kind),
                "actor_id": _clean(event.actor_id),
                "actor_name": _clean(event.actor_name),
                "address": _clean(event.address),
                "request_id": _clean(event.request_id),
                "details": _details(event),
            }
            current = row_hash(previous, canonical(**row))  # type: ignore[arg-type]  # the keys above are its parameters
            rows.append({**row, "prev_hash": previous, "hash": current})
            previous = current
        connection.execute(_INSERT, rows)

    def _lock(self, connection: Connection) -> None:
        """Nobody else may append to this chain between our reading its end and our commit."""
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:chain))"), {"chain": f"audit:{self.chain}"})
            return
        driver = connection.connection.driver_connection
        # The driver opens its transaction only at the first write; the reading above must be inside it.
        if driver is not None and not driver.in_transaction:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
