from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, delete, select, text, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ai_secretary.access import Principal
from ai_secretary.audit import AuditEvent, AuditFilter, AuditLog, AuditRow, ChainWriter, ThreadSink, ddl
from ai_secretary.context import RequestContext, request_context
from ai_secretary.errors import InvalidInput
from ai_secretary.logs import mask_secret, unmask_secret
from ai_secretary.storage import Database, now


@pytest.fixture
async def audit(database: Database) -> AsyncIterator[AuditLog]:
    sink = ThreadSink(database)
    yield AuditLog(database, sink)
    await asyncio.to_thread(sink.close)


async def stored(audit: AuditLog) -> None:
    assert isinstance(audit.sink, ThreadSink)
    assert await asyncio.to_thread(audit.sink.flush), "the audit writer is stuck"


async def blocking(database: Database, work: Callable[[Connection], Any]) -> Any:
    def run() -> Any:
        engine = database.blocking_engine()
        try:
            with engine.begin() as connection:
                return work(connection)
        finally:
            engine.dispose()

    return await asyncio.to_thread(run)


async def write(database: Database, *events: AuditEvent, chain: str = "main") -> None:
    await blocking(database, lambda connection: ChainWriter(chain).append(connection, events))


def old(days: float, action: str = "faq.create", **fields: Any) -> AuditEvent:
    return AuditEvent(action, "faq", at=now() - timedelta(days=days), **fields)


# -- recording ---------------------------------------------------------------------------------------------------------


async def test_who_and_from_where_come_from_the_request(audit: AuditLog) -> None:
    principal = Principal("usr_1", "user", "olga", role="operator", session_id="ses_1")
    token = request_context.set(RequestContext("req_1", "203.0.113.7", principal))
    try:
        audit.record(AuditEvent("faq.create", "faq", "faq_1", {"question": "Когда вы открыты?"}))
    finally:
        request_context.reset(token)
    audit.record(AuditEvent("system.start", "system"))
    await stored(audit)
    second, first = (await audit.query()).rows
    assert (first.actor_kind, first.actor_id, first.actor_name, first.address, first.request_id) == (
        "user",
        "usr_1",
        "olga",
        "203.0.113.7",
        "req_1",
    )
    assert json.loads(first.details) == {"question": "Когда вы открыты?"}
    assert (second.actor_kind, second.actor_name, second.address) == ("system", "system", "")
    assert abs((now() - first.at).total_seconds()) < 60


async def test_secrets_in_details_are_masked(audit: AuditLog) -> None:
    mask_secret("planted-secret-value")
    details = {
        "api_key": "sk-very-secret",
        "botToken": "123:very-secret",
        "headers": {"Authorization": "Bearer very-secret", "X-API-Key": "very-secret"},
        "list": [{"password": "very-secret"}],
        "client_secret": {"nested": "very-secret"},
        "note": "it was planted-secret-value, they said",
        "max_tokens": 512,
        "key_id": "key_1",
        "token_count": 5,
        "keyboard": "qwerty",
        "empty_password": "",
    }
    try:
        audit.record(AuditEvent("provider.update", "provider", details=details))
        await stored(audit)
    finally:
        unmask_secret("planted-secret-value")
    [row] = (await audit.query()).rows
    assert "very-secret" not in row.details
    assert "planted-secret" not in row.details
    found = json.loads(row.details)
    assert (found["max_tokens"], found["key_id"], found["token_count"], found["keyboard"]) == (512, "key_1", 5, "qwerty")
    assert found["empty_password"] == ""
    assert found["api_key"] == "***"


async def test_recording_never_fails_the_caller(database: Database) -> None:
    class Broken:
        def submit(self, event: AuditEvent) -> None:
            raise RuntimeError("no room")

    AuditLog(database, Broken()).record(AuditEvent("faq.create", "faq"))


async def test_odd_values_are_stored_and_verify(audit: AuditLog) -> None:
    details = {
        "nul": "a\x00b",
        "surrogate": "\ud800",
        "bytes": b"\x00\x01",
        "date": datetime(2026, 1, 1, tzinfo=UTC),
        "emoji": "🙂",
        5: {"deep": [None, 1.5]},
    }
    audit.record(AuditEvent("odd\x00", "x" * 200, "\ud800" * 300, details))
    await stored(audit)
    [row] = (await audit.query()).rows
    assert len(row.resource) == 64
    assert (await audit.verify()).intact


async def test_many_events_from_many_tasks_make_one_chain(audit: AuditLog) -> None:
    async def work(number: int) -> None:
        for step in range(20):
            audit.record(AuditEvent("faq.update", "faq", f"{number}-{step}"))
            await asyncio.sleep(0)

    await asyncio.gather(*(work(number) for number in range(20)))
    await stored(audit)
    result = await audit.verify()
    assert result.intact
    assert result.rows == 400
    assert [(head.chain, head.seq) for head in result.heads] == [("main", 400)]


# -- the chain ---------------------------------------------------------------------------------------------------------


async def test_a_rolled_back_batch_leaves_no_gap(database: Database, audit: AuditLog) -> None:
    await write(database, AuditEvent("a.b", "x"))

    def fail(connection: Connection) -> None:
        ChainWriter().append(connection, [AuditEvent("lost.one", "x")])
        raise LookupError

    with pytest.raises(LookupError):
        await blocking(database, fail)
    await write(database, AuditEvent("c.d", "x"))
    result = await audit.verify()
    assert result.intact
    assert result.rows == 2


async def test_two_writers_of_one_chain_do_not_collide(database: Database, audit: AuditLog) -> None:
    async def writer(number: int) -> None:
        for _ in range(10):
            await write(database, AuditEvent("a.b", "x", str(number)), AuditEvent("a.b", "x", str(number)))

    await asyncio.gather(*(writer(number) for number in range(4)))
    result = await audit.verify()
    assert result.intact
    assert result.rows == 80


async def test_each_node_may_have_a_chain_of_its_own(database: Database, audit: AuditLog) -> None:
    await write(database, AuditEvent("a.b", "x"), chain="api-1")
    await write(database, AuditEvent("a.b", "x"), AuditEvent("a.b", "x"), chain="api-2")
    result = await audit.verify()
    assert result.intact
    assert [(head.chain, head.seq) for head in result.heads] == [("api-1", 1), ("api-2", 2)]


async def _without_triggers(database: Database, *statements: Any) -> None:
    """What somebody with the database in their hands could do."""

    def work(connection: Connection) -> None:
        ddl.remove(connection)
        for statement in statements:
            connection.execute(statement)
        ddl.install(connection)

    await blocking(database, work)


async def _five(database: Database) -> None:
    await write(database, *(AuditEvent("faq.update", "faq", str(number), {"number": number}) for number in range(5)))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("action", "faq.read"),
        ("resource", "other"),
        ("resource_id", "other"),
        ("actor_name", "somebody else"),
        ("actor_id", "usr_other"),
        ("actor_kind", "key"),
        ("address", "198.51.100.1"),
        ("request_id", "req_other"),
        ("details", "{}"),
        ("at", datetime(2020, 1, 1).astimezone()),
    ],
)
async def test_a_changed_row_is_found(database: Database, audit: AuditLog, column: str, value: Any) -> None:
    await _five(database)
    assert (await audit.verify()).intact
    await _without_triggers(database, update(AuditRow).where(AuditRow.seq == 3).values({column: value}))
    result = await audit.verify()
    assert [(found.seq, found.kind) for found in result.breaks] == [(3, "changed")]


async def test_a_removed_row_is_found(database: Database, audit: AuditLog) -> None:
    await _five(database)
    await _without_triggers(database, delete(AuditRow).where(AuditRow.seq == 3))
    assert [(found.seq, found.kind) for found in (await audit.verify()).breaks] == [(3, "missing")]


async def test_a_removed_beginning_is_found(database: Database, audit: AuditLog) -> None:
    await _five(database)
    await _without_triggers(database, delete(AuditRow).where(AuditRow.seq <= 2))
    assert [(found.seq, found.kind) for found in (await audit.verify()).breaks] == [(3, "unanchored")]


async def test_a_changed_row_with_a_recomputed_hash_is_found(database: Database, audit: AuditLog) -> None:
    from ai_secretary.audit.chain import canonical, row_hash

    await _five(database)
    async with database.session() as session:
        row = (await session.scalars(select(AuditRow).where(AuditRow.seq == 3))).one()
    names = (
        "chain",
        "seq",
        "at",
        "resource",
        "resource_id",
        "actor_kind",
        "actor_id",
        "actor_name",
        "address",
        "request_id",
        "details",
    )
    fields = {name: getattr(row, name) for name in names}
    forged = row_hash(row.prev_hash, canonical(action="nothing.happened", **fields))
    await _without_triggers(database, update(AuditRow).where(AuditRow.seq == 3).values(action="nothing.happened", hash=forged))
    assert [(found.seq, found.kind) for found in (await audit.verify()).breaks] == [(4, "relinked")]


# -- append-only -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "DELETE FROM audit_log WHERE seq = 1"]
)
async def test_the_database_refuses_changes_and_deletion(database: Database, audit: AuditLog, statement: str) -> None:
    await write(database, old(6.9), old(1), old(0))
    with pytest.raises(DBAPIError, match="audit_log"):
        await blocking(database, lambda connection: connection.execute(text(statement)))
    async with database.session() as session:
        with pytest.raises(SQLAlchemyError, match="audit_log"):
            await session.execute(text(statement))
    assert (await audit.verify()).rows == 3


async def test_even_old_rows_cannot_be_changed(database: Database) -> None:
    await write(database, old(100))
    with pytest.raises(DBAPIError, match="append-only"):
        await blocking(database, lambda connection: connection.execute(text("UPDATE audit_log SET details = '{}'")))


async def test_truncating_is_refused(postgres_database: Database) -> None:
    await write(postgres_database, old(100))
    with pytest.raises(DBAPIError, match="append-only"):
        await blocking(postgres_database, lambda connection: connection.execute(text("TRUNCATE audit_log")))


async def test_old_rows_may_be_deleted(database: Database) -> None:
    await write(database, old(7.1))
    await blocking(database, lambda connection: connection.execute(text("DELETE FROM audit_log")))


# -- clean-up ----------------------------------------------------------------------------------------------------------


async def test_a_cleaned_up_log_still_verifies(database: Database, audit: AuditLog) -> None:
    await write(database, *(old(days) for days in (40, 35, 31, 20, 10, 1)))
    assert await audit.cleanup(30) == 3
    result = await audit.verify()
    assert result.intact
    assert result.rows == 4
    [anchor] = (await audit.query(AuditFilter(action="audit.cleanup"))).rows
    assert json.loads(anchor.details)["deleted"] == 3
    assert await audit.cleanup(15) == 1
    assert (await audit.verify()).intact
    assert await audit.cleanup(15) == 0
    assert (await audit.verify()).intact
    await write(database, AuditEvent("a.b", "x"))
    assert (await audit.verify()).intact


async def test_cleaning_up_covers_every_chain(database: Database, audit: AuditLog) -> None:
    await write(database, old(40), old(35), chain="api-1")
    await write(database, old(40), old(1), chain="api-2")
    assert await audit.cleanup(30) == 2
    result = await audit.verify()
    assert result.intact
    assert {head.chain for head in result.heads} == {"api-1", "api-2", "main"}
    await write(database, AuditEvent("a.b", "x"), chain="api-1")
    assert (await audit.verify()).intact


async def test_a_clean_up_of_ones_own_is_not_a_recorded_one(database: Database, audit: AuditLog) -> None:
    await write(database, *(old(days) for days in (40, 35, 31, 20)))
    await audit.cleanup(33)
    await blocking(database, lambda connection: connection.execute(delete(AuditRow).where(AuditRow.seq <= 3)))
    assert [(found.seq, found.kind) for found in (await audit.verify()).breaks] == [(4, "unanchored")]


@pytest.mark.parametrize("days", [6, 0, -5])
async def test_the_last_seven_days_stay(audit: AuditLog, days: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await audit.cleanup(days)
    assert refused.value.field == "days"


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_pages_hold_every_row_once(database: Database, audit: AuditLog) -> None:
    await write(database, *(AuditEvent("a.b", "x", str(number)) for number in range(25)))
    seen: list[str] = []
    before: int | None = None
    while True:
        page = await audit.query(before=before, limit=10)
        seen += [row.resource_id for row in page.rows]
        await write(database, AuditEvent("in.between", "y"))
        if page.next is None:
            break
        before = page.next
    assert [item for item in seen if item] == [str(number) for number in range(24, -1, -1)]


async def test_filters(database: Database, audit: AuditLog) -> None:
    await write(
        database,
        old(10, actor_id="usr_1", actor_name="olga", address="203.0.113.7"),
        AuditEvent("faq.delete", "faq", "faq_1", actor_id="usr_2", actor_name="ivan"),
        AuditEvent("user.create", "user", "usr_3", actor_id="usr_2", actor_name="ivan"),
    )

    async def found(**fields: Any) -> int:
        return len((await audit.query(AuditFilter(**fields))).rows)

    assert await found(action="faq.delete") == 1
    assert await found(action="faq.*") == 2
    assert await found(action="faq.") == 2
    assert await found(action="%") == 0
    assert await found(resource="user") == 1
    assert await found(resource="faq", resource_id="faq_1") == 1
    assert await found(actor="usr_2") == await found(actor="ivan") == 2
    assert await found(address="203.0.113.7") == 1
    assert await found(since=now() - timedelta(days=1)) == 2
    assert await found(until=now() - timedelta(days=1)) == 1
    assert await found(actor="' OR 1=1 --") == 0
    stats = await audit.stats()
    assert (stats.total, stats.last_24h) == (3, 2)
    assert dict(stats.by_resource) == {"faq": 2, "user": 1}
    assert stats.by_actor[0] == ("ivan", 2)


async def test_export_gives_all_rows_in_both_forms(database: Database, audit: AuditLog) -> None:
    await write(database, *(AuditEvent("a.b", "x", str(number), {"n": "ё"}) for number in range(2500)))
    exported = json.loads(b"".join([piece async for piece in audit.export("json")]))
    assert [row["resource_id"] for row in exported] == [str(number) for number in range(2499, -1, -1)]
    assert exported[0]["details"] == {"n": "ё"}
    table = list(csv.DictReader(io.StringIO(b"".join([piece async for piece in audit.export("csv")]).decode("utf-8-sig"))))
    assert [row["resource_id"] for row in table] == [row["resource_id"] for row in exported]
    assert json.loads(b"".join([piece async for piece in audit.export("json", AuditFilter(action="no.such"))])) == []


@pytest.mark.parametrize("formula", ["=1+1", "+7", "-2", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"])
async def test_no_cell_of_the_csv_is_a_formula(database: Database, audit: AuditLog, formula: str) -> None:
    await write(database, AuditEvent("a.b", "x", formula, actor_name=formula))
    table = list(csv.DictReader(io.StringIO(b"".join([piece async for piece in audit.export("csv")]).decode("utf-8-sig"))))
    assert table[0]["resource_id"] == table[0]["actor_name"] == f"'{formula}"


# -- the writer thread -------------------------------------------------------------------------------------------------


async def test_nothing_is_lost_while_the_database_is_locked(sqlite_database: Database) -> None:
    sink = ThreadSink(sqlite_database)
    audit = AuditLog(sqlite_database, sink)
    blocker = sqlite_database.blocking_engine()
    with blocker.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        for number in range(10):
            audit.record(AuditEvent("a.b", "x", str(number)))
        assert not await asyncio.to_thread(sink.flush, 0.3)
        connection.rollback()
    blocker.dispose()
    assert await asyncio.to_thread(sink.flush)
    await asyncio.to_thread(sink.close)
    assert [row.resource_id for row in (await audit.query()).rows] == [str(number) for number in range(9, -1, -1)]
    assert sink.lost == 0


async def test_closing_stores_what_is_queued(tmp_path: Path, sqlite_database: Database) -> None:
    sink = ThreadSink(sqlite_database)
    audit = AuditLog(sqlite_database, sink)
    for _ in range(2000):
        audit.record(AuditEvent("a.b", "x"))
    await asyncio.to_thread(sink.close)
    assert (await audit.verify()).rows == 2000
