"""Numbers of the dashboard on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

from ai_secretary.conversations.models import ConversationRow, MessageRow, UsageRow
from ai_secretary.storage import Database, now
from ai_secretary_ui import statistics


async def fill(database: Database) -> None:
    moment = now()
    async with database.transaction() as session:
        session.add(ConversationRow(id="conv_1", source="admin", title="Hours", person_name="Ann", updated_at=moment))
        session.add(ConversationRow(id="conv_2", source="phone", updated_at=moment - timedelta(minutes=2)))
        session.add(ConversationRow(id="conv_old", source="admin", updated_at=moment - timedelta(days=1, hours=4)))
        await session.flush()
        for index, (conversation, age) in enumerate((("conv_1", 0), ("conv_2", 2), ("conv_old", 28 * 60))):
            at = moment - timedelta(minutes=age)
            session.add(
                MessageRow(id=f"q{index}", conversation_id=conversation, role="user", content=f"question {index}", created_at=at)
            )
            await session.flush()
            session.add(
                MessageRow(
                    id=f"a{index}", conversation_id=conversation, parent_id=f"q{index}", role="assistant", content="answer",
                    status="ok", source_kind="faq" if index == 1 else "model", created_at=at,
                    timings={"first_token_ms": 100.0 * (index + 1), "total_ms": 400.0, "stages": {"llm": 400.0}},
                )
            )  # fmt: skip
        await session.flush()
        session.add(
            MessageRow(
                id="e1", conversation_id="conv_1", parent_id="q0", role="assistant", content="", status="error",
                error_code="unreachable", details={"error": "The server is away"}, created_at=moment,
            )
        )  # fmt: skip
        session.add(UsageRow(kind="llm", prompt_tokens=30, completion_tokens=12, cost_usd=0.25, at=moment))
        session.add(UsageRow(kind="llm", prompt_tokens=5, completion_tokens=3, cost_usd=None, at=moment - timedelta(days=2)))
        session.add(UsageRow(kind="tts", units=40, at=moment))


async def test_a_day_in_numbers(database: Database) -> None:
    await fill(database)
    numbers = await statistics.gather(database, "day")
    assert (numbers.conversations, numbers.conversations_before) == (2, 1)
    assert (numbers.answers, numbers.without_model, numbers.from_faq) == (2, 1, 1)
    assert numbers.first_p50 in {100.0, 200.0}
    assert numbers.first_p95 == 200.0
    assert (numbers.tokens, numbers.cost) == (42, 0.25)
    assert sum(bucket.prompt for bucket in numbers.buckets) == 30
    assert {item.source: item.stages for item in numbers.latency} == {"admin": {"llm": 400.0}, "phone": {"llm": 400.0}}
    assert [(line.code, line.count, line.text) for line in numbers.errors] == [("unreachable", 1, "The server is away")]


async def test_nothing_yet(database: Database) -> None:
    numbers = await statistics.gather(database, "hour")
    assert (numbers.conversations, numbers.answers, numbers.tokens) == (0, 0, 0)
    assert numbers.first_p50 is None
    assert numbers.cost is None
    assert len(numbers.buckets) == 13


async def test_recent_shows_the_last_question_and_how_it_was_answered(database: Database) -> None:
    await fill(database)
    found = await statistics.recent(database, 2)
    assert [item.id for item in found] == ["conv_1", "conv_2"]
    assert found[0].last_question == "question 0"
    assert found[0].status == "error"
    assert found[1].stages == {"llm": 400.0}
