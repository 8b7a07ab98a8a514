"""The write path: nothing acknowledged is lost, one bad entry harms nobody else, and batches share transactions."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import text

from ai_secretary.audit.chain import ChainWriter
from ai_secretary.audit.event import AuditEvent
from ai_secretary.conversations import (
    ConversationRecord,
    Conversations,
    Exchange,
    Journal,
    MessageRecord,
    RawExchange,
    UsageRecord,
)
from ai_secretary.errors import Conflict, Unavailable
from ai_secretary.storage import Database

from .exchanges import EVERYTHING, following, opening


async def _count(database: Database, table: str) -> int:
    async with database.session() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_two_hundred_exchanges_at_once_share_transactions(
    journal: Journal, conversations: Conversations, database: Database
) -> None:
    made = [opening(f"Вопрос {number}") for number in range(200)]
    for exchange in made:
        exchange.audit = (AuditEvent("chat.reply", "conversation", exchange.conversation_id),)
    await asyncio.gather(*(journal.record(exchange) for exchange in made))
    assert await _count(database, "messages") == 400
    assert await _count(database, "usage_log") == 200
    assert await _count(database, "conversations") == 200
    async with database.session() as session:
        numbers = list((await session.execute(text("SELECT seq FROM audit_log ORDER BY id"))).scalars())
    assert numbers == list(range(1, 201))
    assert journal.statistics.batches < 100
    assert journal.statistics.entries == 200


async def test_turns_of_one_conversation_in_one_batch_add_up(database: Database, conversations: Conversations) -> None:
    journal = Journal(database)
    first = opening("Раз")
    second = following(first, "Два")
    third = following(second, "Три", "Последний ответ")
    waiting = [asyncio.ensure_future(journal.record(exchange)) for exchange in (first, second, third)]
    await asyncio.sleep(0)
    journal.start()
    await asyncio.gather(*waiting)
    await journal.stop()
    assert journal.statistics.batches == 1
    stored = await conversations.get(EVERYTHING, first.conversation_id)
    assert (stored.message_count, stored.last_message, stored.title) == (6, "Последний ответ", "Раз")
    assert len(await conversations.path(EVERYTHING, first.conversation_id)) == 6


async def test_an_entry_that_cannot_be_stored_fails_alone(database: Database) -> None:
    journal = Journal(database, chain=ChainWriter())
    good = [opening(f"Хороший {number}") for number in range(20)]
    orphan = Exchange("conv_deleted", (MessageRecord("conv_deleted", None, "user", "Куда?"),))
    waiting = [asyncio.ensure_future(journal.record(exchange)) for exchange in (*good[:9], orphan, *good[9:])]
    await asyncio.sleep(0)
    journal.start()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    await journal.stop()
    failed = [result for result in results if result is not None]
    assert len(failed) == 1
    assert isinstance(failed[0], Conflict)
    assert failed[0].code == "conversation_changed"
    assert results[9] is failed[0]
    assert await _count(database, "messages") == 40
    assert journal.statistics.failed == 1


async def test_text_that_postgresql_refuses_is_stored_readable(journal: Journal, conversations: Conversations) -> None:
    exchange = opening("нуль\x00байт и суррогат \ud800", "ответ\x00")
    await journal.record(exchange)
    branch = await conversations.path(EVERYTHING, exchange.conversation_id)
    assert branch[0].content.startswith("нуль\ufffdбайт и суррогат ")
    assert branch[1].content == "ответ\ufffd"


async def test_a_full_queue_refuses_with_503_and_keeps_audit(database: Database) -> None:
    journal = Journal(database, chain=ChainWriter(), queue_limit=3)
    waiting = [asyncio.ensure_future(journal.record(opening(str(number)))) for number in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await journal.record(opening("лишний"))
    assert (refused.value.code, refused.value.status, refused.value.retry_after) == ("journal_full", 503, 1)
    journal.submit(AuditEvent("user.login", "user").complete())
    journal.start()
    await asyncio.gather(*waiting)
    await journal.stop()
    assert await _count(database, "conversations") == 3
    assert await _count(database, "audit_log") == 1
    with pytest.raises(Unavailable, match="stopping"):
        await journal.record(opening("поздно"))


async def test_stop_stores_what_waits(database: Database) -> None:
    journal = Journal(database, mode="behind", chain=ChainWriter())
    for number in range(50):
        await journal.record(opening(str(number)))
    journal.submit(AuditEvent("server.stop", "server").complete())
    journal.start()
    await journal.stop()
    assert await _count(database, "conversations") == 50
    assert await _count(database, "audit_log") == 1


async def test_a_cancelled_caller_does_not_cancel_the_exchange(journal: Journal, database: Database) -> None:
    task = asyncio.ensure_future(journal.record(opening("Отмена")))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await journal.flush()
    assert await _count(database, "messages") == 2


async def test_a_locked_database_is_tried_again(sqlite_database: Database) -> None:
    journal = Journal(sqlite_database)
    path = sqlite_database.engine.url.database
    assert path is not None
    locked, release = threading.Event(), threading.Event()

    def hold() -> None:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        locked.set()
        release.wait(30)
        other.execute("COMMIT")
        other.close()

    engine = sqlite_database.blocking_engine

    # A short busy timeout, so that the lock is met as an error and not only waited for inside SQLite.
    def impatient(*, full_sync: bool = False):  # type: ignore[no-untyped-def]
        made = engine(full_sync=full_sync)
        from sqlalchemy import event

        event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=20"))
        return made

    sqlite_database.blocking_engine = impatient  # type: ignore[method-assign]
    holder = threading.Thread(target=hold)
    holder.start()
    locked.wait(5)
    journal.start()
    recording = asyncio.ensure_future(journal.record(opening("Ждёт")))
    while journal.statistics.retries == 0:
        await asyncio.sleep(0.01)
    assert not recording.done()
    release.set()
    await recording
    holder.join()
    await journal.stop()
    assert await _count(sqlite_database, "messages") == 2


async def test_a_database_that_stays_locked_is_reported(sqlite_database: Database) -> None:
    journal = Journal(sqlite_database, retry_for_s=0.1)
    async with sqlite_database.engine.connect() as other:
        await other.exec_driver_sql("BEGIN IMMEDIATE")
        engine = sqlite_database.blocking_engine

        def impatient(*, full_sync: bool = False):  # type: ignore[no-untyped-def]
            made = engine(full_sync=full_sync)
            from sqlalchemy import event

            event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=20"))
            return made

        sqlite_database.blocking_engine = impatient  # type: ignore[method-assign]
        journal.start()
        with pytest.raises(Unavailable) as error:
            await journal.record(opening("Не выйдет"))
        assert error.value.code == "database_unavailable"
        await other.rollback()
    await journal.record(opening("Теперь выйдет"))
    await journal.stop()


async def test_the_same_new_conversation_twice_is_one(journal: Journal, conversations: Conversations) -> None:
    first = opening("Раз")
    await journal.record(first)
    again = MessageRecord(first.conversation_id, first.messages[-1].id, "user", "Два")
    record = ConversationRecord(first.conversation_id, "admin", title="Другое имя")
    await journal.record(Exchange(first.conversation_id, (again,), conversation=record))
    stored = await conversations.get(EVERYTHING, first.conversation_id)
    assert (stored.title, stored.message_count, stored.head_id) == ("Раз", 3, again.id)


_ACKNOWLEDGE = """
import asyncio, sys
sys.path[:0] = {path!r}
from ai_secretary.storage import Database
from ai_secretary.conversations import Journal
from exchanges import opening

async def main():
    journal = Journal(Database({url!r}), mode={mode!r})
    journal.start()
    number = 0
    while True:
        await asyncio.gather(*(journal.record(opening("x")) for _ in range(5)))
        number += 5
        print(number, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("mode", ["durable", "fsync"])
async def test_what_was_acknowledged_survives_a_kill(sqlite_database: Database, mode: str) -> None:
    script = _ACKNOWLEDGE.format(path=[str(__import__("pathlib").Path(__file__).parent)], url=sqlite_database.url, mode=mode)
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    acknowledged = 0
    deadline = time.monotonic() + 60
    while acknowledged < 100 and time.monotonic() < deadline:
        acknowledged = int(await asyncio.to_thread(child.stdout.readline))
    child.kill()
    for line in child.stdout.read().split("\n"):
        acknowledged = int(line) if line.strip().isdigit() else acknowledged
    child.wait()
    child.stdout.close()
    stored = await _count(sqlite_database, "conversations")
    assert stored >= acknowledged >= 100
    assert await _count(sqlite_database, "messages") == 2 * stored


# ---- raw exchanges of the gateway ----


def _request(*said: tuple[str, str]) -> bytes:
    return json.dumps({"model": "x", "messages": [{"role": role, "content": content} for role, content in said]}).encode()


def _answer(content: str, **usage: int) -> bytes:
    body = {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]}
    return json.dumps({**body, **({"usage": usage} if usage else {})}).encode()


def _stream(*pieces: str, usage: dict[str, int] | None = None) -> bytes:
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        events.append({"choices": [], "usage": usage})
    lines = [f"data: {json.dumps(event, ensure_ascii=False)}\r\n\r\n" for event in events]
    return (": ping\r\n\r\n" + "".join(lines) + "data: [DONE]\r\n\r\n").encode()


async def test_a_raw_answer_becomes_messages_usage_and_cost(
    journal: Journal, conversations: Conversations, database: Database
) -> None:
    raw = RawExchange(
        _request(("system", "Будь краток"), ("user", "Привет")),
        _answer("Здравствуйте", prompt_tokens=1000, completion_tokens=2000),
        actor_id="key_1",
        actor_name="Сайт",
        model="openai/gpt",
        price_prompt=1.0,
        price_completion=2.0,
        total_ms=12.34,
        audit_of=lambda exchange: AuditEvent("v1.chat", "conversation", exchange.conversation_id, actor_id="key_1"),
    )
    await journal.record(raw)
    (listed,) = (await conversations.list(EVERYTHING, source="api")).items
    assert (listed.owner_id, listed.person_name, listed.title) == ("key_1", "Сайт", "Привет")
    branch = await conversations.path(EVERYTHING, listed.id)
    assert [(m.role, m.content, m.status) for m in branch] == [("user", "Привет", "ok"), ("assistant", "Здравствуйте", "ok")]
    async with database.session() as session:
        usage = (await session.execute(text("SELECT prompt_tokens, completion_tokens, cost_usd FROM usage_log"))).one()
        audited = (await session.execute(text("SELECT resource_id FROM audit_log"))).scalar_one()
    assert tuple(usage) == (1000, 2000, 0.005)
    assert audited == listed.id


async def test_a_client_that_repeats_its_history_stays_in_one_conversation(
    journal: Journal, conversations: Conversations
) -> None:
    history: list[tuple[str, str]] = [("system", "s")]
    for number in range(3):
        history.append(("user", f"вопрос {number}"))
        await journal.record(
            RawExchange(_request(*history), _stream("отв", f"ет {number}"), actor_id="key_1", model="a/b", streamed=True)
        )
        history.append(("assistant", f"ответ {number}"))
    # The same words of another key are another conversation.
    await journal.record(RawExchange(_request(*history, ("user", "и?")), _answer("да"), actor_id="key_2", model="a/b"))
    page = await conversations.list(EVERYTHING)
    assert page.total == 2
    own = next(item for item in page.items if item.owner_id == "key_1")
    branch = await conversations.path(EVERYTHING, own.id)
    assert [message.content for message in branch] == ["вопрос 0", "ответ 0", "вопрос 1", "ответ 1", "вопрос 2", "ответ 2"]
    assert branch[-1].details == {"usage": "estimated"}
    assert branch[-1].usage.completion_tokens > 0

    await conversations.delete(EVERYTHING, own.id)
    await journal.record(RawExchange(_request(*history, ("user", "ещё")), _answer("новое"), actor_id="key_1", model="a/b"))
    anew = (await conversations.list(EVERYTHING)).items[0]
    assert anew.id != own.id
    assert anew.message_count == 2


@pytest.mark.parametrize(
    ("response", "streamed", "status", "cancelled", "expected"),
    [
        (b'{"error":{"message":"no","code":"rate_limited"}}', False, 429, False, ("error", "rate_limited", "")),
        (b"<html>bad gateway</html>", False, 502, False, ("error", "http_502", "")),
        (b"{broken", False, 200, False, ("error", "bad_reply", "")),
        (_stream("пол", "ответа")[:-90], True, 200, True, ("cancelled", None, "полответа")),
        (b'data: {"choices":[{"delta":{"content":"a"}}]}\n\ndata: {"error":{"message":"x"}}\n\n', True, 200, False,
         ("error", "provider_error", "a")),
        (b"", True, 200, False, ("error", "bad_reply", "")),
    ],
)  # fmt: skip
async def test_failed_and_broken_answers_are_errors_not_text(
    sqlite_database: Database, response: bytes, streamed: bool, status: int, cancelled: bool,
    expected: tuple[str, str | None, str],
) -> None:  # fmt: skip
    journal, conversations = Journal(sqlite_database), Conversations(sqlite_database)
    journal.start()
    raw = RawExchange(
        _request(("user", "Привет")), response, actor_id="k", model="a/b", streamed=streamed, status=status, cancelled=cancelled
    )
    await journal.record(raw)
    await journal.stop()
    (listed,) = (await conversations.list(EVERYTHING)).items
    reply = (await conversations.path(EVERYTHING, listed.id))[1]
    assert (reply.status, reply.error_code, reply.content) == expected


async def test_tool_calls_and_unreadable_requests_are_kept(sqlite_database: Database) -> None:
    journal, conversations = Journal(sqlite_database), Conversations(sqlite_database)
    journal.start()
    call = {"index": 0, "id": "c1", "function": {"name": "weather", "arguments": '{"city":'}}
    rest = {"index": 0, "function": {"arguments": '"Омск"}'}}
    response = "".join(
        f"data: {json.dumps({'choices': [{'index': 0, 'delta': {'tool_calls': [part]}}]})}\n\n" for part in (call, rest)
    )
    await journal.record(RawExchange(b"not json", response.encode(), actor_id="k", model="a/b", streamed=True))
    await journal.stop()
    (listed,) = (await conversations.list(EVERYTHING)).items
    branch = await conversations.path(EVERYTHING, listed.id)
    assert branch[0].content == ""
    assert branch[1].details["tool_calls"] == [{"id": "c1", "name": "weather", "arguments": '{"city":"Омск"}'}]


async def test_usage_alone_is_counted_and_told(journal: Journal, database: Database) -> None:
    told: list[UsageRecord] = []
    journal.on_usage.append(told.append)
    await journal.record(UsageRecord("tts", actor_id="key_1", model="piper/x", units=120))
    await journal.flush()
    assert [record.units for record in told] == [120]
    assert await _count(database, "usage_log") == 1


async def test_an_idle_journal_indexes_messages(sqlite_database: Database) -> None:
    journal = Journal(sqlite_database)
    journal.start()
    await journal.record(opening("Слово"))
    for _ in range(300):
        if await _count(sqlite_database, "messages_search_docsize") == 2:
            break
        await asyncio.sleep(0.02)
    else:
        pytest.fail("the messages were not indexed")
    await journal.stop()
