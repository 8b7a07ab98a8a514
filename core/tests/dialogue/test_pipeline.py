"""Stages of plugins: what they may do, and what happens when they fail or hang. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from ai_secretary.dialogue import AnswerSource, Final, Next, Person, ReplyEvent, TextDelta, Turn
from ai_secretary.dialogue.pipeline import CORE, Pipeline
from ai_secretary.errors import ProviderError, RateLimited
from ai_secretary.plugins.guard import FAILURES_TO_OPEN, Guard
from ai_secretary.plugins.registrars import StageEntry
from ai_secretary.plugins.registries import Registries

from .scripted import in_virtual_time

Handle = Callable[[Turn, Next], Awaitable[AsyncIterator[ReplyEvent]]]


@dataclass
class _Stage:
    handle: Handle


def _turn(text: str = "Привет") -> Turn:
    return Turn("conv_1", text, "test", Person("p"))


async def _say(*texts: str) -> AsyncIterator[ReplyEvent]:
    for text in texts:
        yield TextDelta(text)
    yield Final(AnswerSource("phrase", id=texts[0] if texts else ""))


async def _model(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    return _say(f"модель: {turn.text}")


def _pipeline(*stages: Handle, model: Handle = _model, guard: Guard | None = None) -> Pipeline:
    registries = Registries()
    for number, handle in enumerate(stages):
        registries.add_stage(StageEntry(100 + number, f"s{number}", "plugin", f"Stage {number}", _Stage(handle)))
    return Pipeline(registries, [StageEntry(1000, "model", CORE, "Model", _Stage(model))], guard or Guard())


async def _run(pipeline: Pipeline, turn: Turn | None = None) -> str:
    stream = await pipeline.run(turn or _turn())
    return "".join([event.text async for event in stream if isinstance(event, TextDelta)])


def _play(pipeline: Pipeline, turn: Turn | None = None) -> str:
    return in_virtual_time(lambda: _run(pipeline, turn))


async def _passes(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    return await proceed(turn)


def test_an_unconcerned_stage_hands_on_the_very_stream() -> None:
    streams = []

    async def model(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        streams.append(_say("ответ"))
        return streams[0]

    async def play() -> None:
        stream = await _pipeline(_passes, _passes, model=model).run(_turn())
        assert stream is streams[0]
        await stream.aclose()  # type: ignore[attr-defined]

    in_virtual_time(play)


def test_stages_answer_in_their_order_and_new_ones_join_at_once() -> None:
    async def answers(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        return _say("этап")

    pipeline = _pipeline(_passes)
    assert _play(pipeline) == "модель: Привет"
    pipeline._registries.add_stage(StageEntry(50, "early", "other", "Early", _Stage(answers)))
    assert _play(pipeline) == "этап"
    assert [entry.id for entry in pipeline.entries()] == ["early", "s0", "model"]
    pipeline._registries.remove_owner("other")
    assert _play(pipeline) == "модель: Привет"


async def _raises(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    turn.text = "испорчено"
    raise RuntimeError("defect")


async def _hangs(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    await asyncio.sleep(3600)
    return _say("никогда")


async def _returns_nothing(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    return None  # type: ignore[return-value]


async def _fails_before_its_first_event(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    async def stream() -> AsyncIterator[ReplyEvent]:
        raise ValueError("broken")
        yield TextDelta("")

    return stream()


async def _says_nothing(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    async def stream() -> AsyncIterator[ReplyEvent]:
        return
        yield TextDelta("")

    return stream()


async def _raises_after_asking(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
    await proceed(turn)
    raise KeyError("late")


@pytest.mark.parametrize(
    "stage",
    [_raises, _hangs, _returns_nothing, _fails_before_its_first_event, _says_nothing, _raises_after_asking],
)
def test_a_failing_stage_is_passed_over_and_reported(stage: Handle) -> None:
    guard = Guard()
    assert _play(_pipeline(_passes, stage, guard=guard)) == "модель: Привет"
    assert [(failure.owner, failure.what) for failure in guard.recent] == [("plugin", "stage s1")]


def test_a_hanging_stage_costs_five_seconds_and_soon_nothing() -> None:
    guard_clock = [0.0]
    guard = Guard(clock=lambda: guard_clock[0])
    pipeline = _pipeline(_hangs, guard=guard)

    async def play() -> list[float]:
        loop = asyncio.get_running_loop()
        took = []
        for _ in range(FAILURES_TO_OPEN + 1):
            started = loop.time()
            assert await _run(pipeline) == "модель: Привет"
            took.append(round(loop.time() - started, 1))
        return took

    assert in_virtual_time(play) == [5.0] * FAILURES_TO_OPEN + [0.0]


def test_the_time_of_later_stages_is_not_counted_against_earlier_ones() -> None:
    async def slow_but_allowed(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        await asyncio.sleep(4)
        return await proceed(turn)

    guard = Guard()
    assert _play(_pipeline(slow_but_allowed, slow_but_allowed, slow_but_allowed, guard=guard)) == "модель: Привет"
    assert not guard.recent


def test_a_stage_that_breaks_off_in_mid_answer_is_an_error() -> None:
    async def breaks(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        async def stream() -> AsyncIterator[ReplyEvent]:
            yield TextDelta("начало")
            raise ValueError("broken")

        return stream()

    guard = Guard()
    with pytest.raises(ProviderError) as error:
        _play(_pipeline(breaks, guard=guard))
    assert error.value.code == "stage_failed"
    assert len(guard.recent) == 1


def test_a_wrapping_stage_changes_the_stream_and_is_not_blamed_for_the_model() -> None:
    async def shouts(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        inner = await proceed(turn)

        async def stream() -> AsyncIterator[ReplyEvent]:
            async for event in inner:
                yield TextDelta(event.text.upper()) if isinstance(event, TextDelta) else event

        return stream()

    async def fails(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        async def stream() -> AsyncIterator[ReplyEvent]:
            raise ProviderError("away", code="unreachable")
            yield TextDelta("")

        return stream()

    assert _play(_pipeline(shouts)) == "МОДЕЛЬ: ПРИВЕТ"
    guard = Guard()
    with pytest.raises(ProviderError) as error:
        _play(_pipeline(shouts, model=fails, guard=guard))
    assert error.value.code == "unreachable"
    assert not guard.recent


def test_a_refusal_and_a_model_error_reach_the_caller() -> None:
    async def refuses(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        raise RateLimited("spent", code="insufficient_quota")

    async def no_model(turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
        raise ProviderError("no", code="model_not_found")

    guard = Guard()
    with pytest.raises(RateLimited):
        _play(_pipeline(_passes, refuses, guard=guard))
    with pytest.raises(ProviderError):
        _play(_pipeline(_passes, _passes, model=no_model, guard=guard))
    assert not guard.recent


def test_cancelling_a_turn_is_nobodys_failure() -> None:
    guard = Guard()

    async def play() -> None:
        task = asyncio.ensure_future(_run(_pipeline(_hangs, guard=guard)))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    in_virtual_time(play)
    assert not guard.recent
