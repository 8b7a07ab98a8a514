"""Numbers for the dashboard out of the core's own tables: a few bounded queries, computed off the event loop."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, func, select, type_coerce

from ai_secretary.conversations.models import ConversationRow, MessageRow, UsageRow
from ai_secretary.storage import Database, now

Span = Literal["hour", "day", "week"]
SPANS: dict[Span, tuple[timedelta, timedelta]] = {
    "hour": (timedelta(hours=1), timedelta(minutes=5)),
    "day": (timedelta(days=1), timedelta(hours=1)),
    "week": (timedelta(days=7), timedelta(hours=12)),
}
"""Length of a span and of one bar of its chart."""
MOST_ANSWERS = 4000
"""Answers that percentiles are computed of: the newest ones of the span."""
STAGE_NAMES = ("vad", "stt", "llm", "tts", "rule")


@dataclass(slots=True)
class Bucket:
    """One bar."""

    at: datetime
    prompt: int = 0
    completion: int = 0
    cost: float = 0.0


@dataclass(slots=True)
class SourceLatency:
    """Median milliseconds by stage, for one source of conversations."""

    source: str
    stages: dict[str, float]
    p50: float
    p95: float
    answers: int


@dataclass(slots=True)
class ErrorLine:
    code: str
    text: str
    count: int
    last: datetime


@dataclass(slots=True)
class Numbers:
    """All that the dashboard shows of one span."""

    conversations: int = 0
    conversations_before: int = 0
    answers: int = 0
    without_model: int = 0
    """Answered by FAQ, a flow or a phrase."""
    from_faq: int = 0
    first_p50: float | None = None
    """Milliseconds to the first word."""
    first_p95: float | None = None
    tokens: int = 0
    cost: float | None = None
    """US dollars; None when no price is known."""
    buckets: list[Bucket] = field(default_factory=list)
    conversation_spark: list[float] = field(default_factory=list)
    first_spark: list[float] = field(default_factory=list)
    latency: list[SourceLatency] = field(default_factory=list)
    errors: list[ErrorLine] = field(default_factory=list)


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * (len(ordered) - 1))))]


async def gather(database: Database, span: Span) -> Numbers:
    """Numbers of the last hour, day or week."""
    length, step = SPANS[span]
    until = now()
    since = until - length
    step_us = int(step.total_seconds() * 1_000_000)
    found = Numbers()
    usage_slot = (type_coerce(UsageRow.at, BigInteger) // step_us).label("slot")
    said_slot = (type_coerce(MessageRow.created_at, BigInteger) // step_us).label("slot")
    async with database.session() as session:
        usage = (
            await session.execute(
                select(
                    usage_slot,
                    func.sum(UsageRow.prompt_tokens),
                    func.sum(UsageRow.completion_tokens),
                    func.sum(UsageRow.cost_usd),
                )
                .where(UsageRow.at >= since, UsageRow.kind == "llm")
                .group_by(usage_slot)
            )
        ).all()
        said = (
            await session.execute(
                select(said_slot, func.count(func.distinct(MessageRow.conversation_id)))
                .where(MessageRow.created_at >= since, MessageRow.role == "user")
                .group_by(said_slot)
            )
        ).all()
        found.conversations = int(
            await session.scalar(
                select(func.count(func.distinct(MessageRow.conversation_id))).where(
                    MessageRow.created_at >= since, MessageRow.role == "user"
                )
            )
            or 0
        )
        found.conversations_before = int(
            await session.scalar(
                select(func.count(func.distinct(MessageRow.conversation_id))).where(
                    MessageRow.created_at >= since - length, MessageRow.created_at < since, MessageRow.role == "user"
                )
            )
            or 0
        )
        answers = (
            await session.execute(
                select(
                    MessageRow.created_at,
                    MessageRow.source_kind,
                    MessageRow.status,
                    MessageRow.error_code,
                    MessageRow.timings,
                    MessageRow.details,
                    ConversationRow.source,
                )
                .join(ConversationRow, ConversationRow.id == MessageRow.conversation_id)
                .where(MessageRow.created_at >= since, MessageRow.role == "assistant")
                .order_by(MessageRow.number.desc())
                .limit(MOST_ANSWERS)
            )
        ).all()
    await asyncio.to_thread(_fill, found, since, until, step_us, usage, said, answers)
    return found


def _fill(
    found: Numbers,
    since: datetime,
    until: datetime,
    step_us: int,
    usage: Sequence[Any],
    said: Sequence[Any],
    answers: Sequence[Any],
) -> None:
    first_slot, last_slot = (int(moment.timestamp() * 1_000_000) // step_us for moment in (since, until))
    slots = range(first_slot, last_slot + 1)
    by_slot = {int(slot): (int(prompt or 0), int(completion or 0), cost) for slot, prompt, completion, cost in usage}
    for slot in slots:
        prompt, completion, cost = by_slot.get(slot, (0, 0, None))
        at = datetime.fromtimestamp(slot * step_us / 1_000_000, until.tzinfo)
        found.buckets.append(Bucket(at, prompt, completion, float(cost or 0)))
        found.tokens += prompt + completion
        if cost is not None:
            found.cost = (found.cost or 0.0) + float(cost)
    counts = {int(slot): int(count) for slot, count in said}
    found.conversation_spark = [float(counts.get(slot, 0)) for slot in slots]
    firsts: list[float] = []
    first_by_slot: dict[int, list[float]] = defaultdict(list)
    totals: dict[str, list[float]] = defaultdict(list)
    stages: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    errors: dict[str, ErrorLine] = {}
    for at, kind, status, code, timings, details, source in answers:
        if status == "error":
            key = code or "unknown"
            line = errors.get(key)
            if line is None:
                errors[key] = ErrorLine(key, str((details or {}).get("error") or ""), 1, at)
            else:
                line.count += 1
            continue
        found.answers += 1
        if kind in {"faq", "flow", "phrase"}:
            found.without_model += 1
            found.from_faq += kind == "faq"
        timings = timings or {}
        first, total = timings.get("first_token_ms"), timings.get("total_ms")
        if first is not None:
            firsts.append(float(first))
            first_by_slot[int(at.timestamp() * 1_000_000) // step_us].append(float(first))
        if total is not None:
            totals[source].append(float(total))
        for name, value in (timings.get("stages") or {}).items():
            stages[source][name].append(float(value))
    found.first_p50, found.first_p95 = percentile(firsts, 0.5), percentile(firsts, 0.95)
    found.first_spark = [percentile(first_by_slot[slot], 0.5) or 0.0 for slot in slots if first_by_slot.get(slot)]
    for source, values in totals.items():
        medians = {name: percentile(stages[source][name], 0.5) or 0.0 for name in STAGE_NAMES if stages[source].get(name)}
        found.latency.append(
            SourceLatency(source, medians, percentile(values, 0.5) or 0.0, percentile(values, 0.95) or 0.0, len(values))
        )
    found.latency.sort(key=lambda item: -item.answers)
    found.errors = sorted(errors.values(), key=lambda line: line.last, reverse=True)


@dataclass(slots=True, frozen=True)
class Recent:
    """A conversation and its last answer, for the list of what is going on."""

    id: str
    title: str
    source: str
    person: str
    last_question: str
    answer_kind: str
    stages: dict[str, float]
    total_ms: float
    status: str
    at: datetime


async def recent(database: Database, limit: int = 5) -> list[Recent]:
    """The conversations that were spoken in last, newest first."""
    async with database.session() as session:
        rows = (
            (await session.execute(select(ConversationRow).order_by(ConversationRow.updated_at.desc()).limit(limit)))
            .scalars()
            .all()
        )
        found: list[Recent] = []
        for row in rows:
            answer = (
                await session.execute(
                    select(MessageRow.source_kind, MessageRow.timings, MessageRow.status)
                    .where(MessageRow.conversation_id == row.id, MessageRow.role == "assistant")
                    .order_by(MessageRow.number.desc())
                    .limit(1)
                )
            ).first()
            question = await session.scalar(
                select(MessageRow.content)
                .where(MessageRow.conversation_id == row.id, MessageRow.role == "user")
                .order_by(MessageRow.number.desc())
                .limit(1)
            )
            timings = (answer.timings if answer is not None else None) or {}
            found.append(
                Recent(
                    row.id,
                    row.title,
                    row.source,
                    row.person_name,
                    question[:200] if question is not None else row.last_message,
                    (answer.source_kind or "") if answer is not None else "",
                    {name: float(value) for name, value in (timings.get("stages") or {}).items()},
                    float(timings.get("total_ms") or 0.0),
                    answer.status if answer is not None else "",
                    row.updated_at,
                )
            )
    return found
