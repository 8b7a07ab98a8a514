"""Which model answers: order, time-outs, retries, rest after failures. Time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ai_secretary.dialogue.routing import ModelRouter, ModelStateChanged
from ai_secretary.errors import InvalidInput, NotFound, ProviderError, ProviderTimeout, Unavailable
from ai_secretary.events import EventBus
from ai_secretary.llm import ChatDelta, ChatMessage, ChatRequest
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Preferences

from .scripted import ScriptedModel, ScriptedSource, in_virtual_time

REQUEST = ChatRequest("", (ChatMessage("user", "Привет"),))
Make = Callable[..., Preferences]


def _router(preferences: Preferences, *models: ScriptedModel, bus: EventBus | None = None) -> ModelRouter:
    registries = Registries()
    registries.add_chat_source("test", ScriptedSource(*models))
    return ModelRouter(registries, preferences, bus or EventBus())


async def _ask(router: ModelRouter, *candidates: str) -> tuple[str, str, list[str]]:
    """(text, id of the model that answered, codes of the attempts before)."""
    reply = router.stream(REQUEST, candidates or router.candidates())
    text = "".join([delta.text async for delta in reply])
    assert reply.model is not None
    return text, reply.model.id, [attempt.code for attempt in reply.attempts]


def _error(code: str, **more: object) -> ProviderError:
    return ProviderError("нет", code=code, **more)  # type: ignore[arg-type]


def test_the_chosen_model_is_asked_by_its_own_name(stored_preferences: Make) -> None:
    model, other = ScriptedModel("cloud/org/big", ["При", "вет"]), ScriptedModel("local/small")
    router = _router(stored_preferences(model="cloud/org/big", fallbacks=["local/small"]), other, model)
    assert in_virtual_time(lambda: _ask(router)) == ("Привет", "cloud/org/big", [])
    assert model.requests[0].model == "org/big"
    assert other.requests == []


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (_error("rate_limited"), 2),
        (_error("unreachable"), 2),
        (_error("rate_limited", retry_after=30), 1),
        (_error("key_refused"), 1),
        (_error("out_of_funds"), 1),
        (_error("model_not_found"), 1),
        (_error("context_length_exceeded"), 1),
        (InvalidInput("too long", code="context_length_exceeded"), 1),
        (RuntimeError("a defect of the plugin"), 2),
    ],
)
def test_a_failing_model_hands_over(stored_preferences: Make, error: Exception, asked: int) -> None:
    first, second = ScriptedModel("a/one", [error]), ScriptedModel("b/two", ["Отвечаю"])
    router = _router(stored_preferences(model="a/one", fallbacks=["b/two"]), first, second)
    text, model_id, attempts = in_virtual_time(lambda: _ask(router))
    assert (text, model_id, len(attempts)) == ("Отвечаю", "b/two", asked)
    assert len(first.requests) == asked


def test_a_short_trouble_is_over_at_the_second_try(stored_preferences: Make) -> None:
    model = ScriptedModel("a/one", [_error("unreachable")], ["Готово"])
    router = _router(stored_preferences(model="a/one"), model)
    assert in_virtual_time(lambda: _ask(router))[0] == "Готово"
    assert router._records["a/one"].failures == 0


def test_a_wrong_request_is_not_sent_to_others(stored_preferences: Make) -> None:
    first, second = ScriptedModel("a/one", [InvalidInput("temperature")]), ScriptedModel("b/two")
    router = _router(stored_preferences(model="a/one", fallbacks=["b/two"]), first, second)
    with pytest.raises(InvalidInput):
        in_virtual_time(lambda: _ask(router))
    assert second.requests == []
    assert router._records == {}


def test_slow_first_token_times_out_and_another_answers(stored_preferences: Make) -> None:
    slow, quick = ScriptedModel("a/slow", [ChatDelta(), 31.0, "поздно"]), ScriptedModel("b/quick", ["Я тут"])
    router = _router(stored_preferences(model="a/slow", fallbacks=["b/quick"], first_token_timeout_s=30), slow, quick)

    async def play() -> tuple[tuple[str, str, list[str]], float]:
        started = asyncio.get_running_loop().time()
        return await _ask(router), asyncio.get_running_loop().time() - started

    answer, seconds = in_virtual_time(play)
    assert answer == ("Я тут", "b/quick", ["provider_timeout"])
    assert 30 <= seconds < 30.5
    assert slow.closed == 1


def test_a_model_that_must_be_loaded_gets_more_time(stored_preferences: Make) -> None:
    model = ScriptedModel("local/m", [100.0, "Загрузилась"], state="idle")
    router = _router(stored_preferences(model="local/m", first_token_timeout_s=5, loading_timeout_s=120), model)
    assert in_virtual_time(lambda: _ask(router))[0] == "Загрузилась"


def test_a_pause_in_mid_answer_is_an_error_and_nobody_else_is_asked(stored_preferences: Make) -> None:
    model, other = ScriptedModel("a/one", ["Начало", 40.0, "конец"]), ScriptedModel("b/two")
    router = _router(stored_preferences(model="a/one", fallbacks=["b/two"], idle_timeout_s=30), model, other)
    received: list[str] = []

    async def play() -> None:
        async for delta in router.stream(REQUEST, router.candidates()):
            received.append(delta.text)

    with pytest.raises(ProviderTimeout, match="mid-answer"):
        in_virtual_time(play)
    assert received == ["Начало"]
    assert (model.closed, other.requests) == (1, [])


def test_slow_but_steady_answers_are_not_cut(stored_preferences: Make) -> None:
    model = ScriptedModel("a/one", ["а", 20.0, "б", 20.0, "в", 20.0, "г"])
    router = _router(stored_preferences(model="a/one", idle_timeout_s=30, first_token_timeout_s=5), model)
    assert in_virtual_time(lambda: _ask(router))[0] == "абвг"


def test_an_empty_answer_is_a_failure(stored_preferences: Make) -> None:
    router = _router(stored_preferences(model="a/one", retries=0), ScriptedModel("a/one", []))
    with pytest.raises(ProviderError) as error:
        in_virtual_time(lambda: _ask(router))
    assert error.value.code == "bad_reply"


def test_a_failed_model_rests_longer_each_time_and_returns(stored_preferences: Make) -> None:
    model = ScriptedModel("a/one", [_error("key_refused")], [_error("unreachable")], [_error("unreachable")], ["Снова тут"])
    spare = ScriptedModel("b/two", ["Запасная"])
    bus = EventBus()
    told: list[tuple[str, str]] = []
    bus.subscribe(ModelStateChanged, lambda event: told.append((event.model_id, event.state)))
    router = _router(stored_preferences(model="a/one", fallbacks=["b/two"], retries=0, cooldown_s=10), model, spare, bus=bus)

    async def play() -> list[int]:
        asked = []
        for wait in (0, 59, 2, 15, 10, 35, 10):
            await asyncio.sleep(wait)
            await _ask(router)
            asked.append(len(model.requests))
        await bus.drain()
        return asked

    # key_refused rests a minute; then 20 s, then 40 s; then it answers.
    assert in_virtual_time(play) == [1, 1, 2, 2, 3, 3, 4]
    assert told[:2] == [("a/one", "failing"), ("b/two", "answering")]
    assert told[-2:] == [("a/one", "recovered"), ("a/one", "answering")]


def test_when_all_rest_they_are_asked_all_the_same(stored_preferences: Make) -> None:
    model = ScriptedModel("a/one", [_error("unreachable")], ["Жива"])
    router = _router(stored_preferences(model="a/one", retries=0, cooldown_s=600), model)

    async def play() -> str:
        with pytest.raises(ProviderError):
            await _ask(router)
        return (await _ask(router))[0]

    assert in_virtual_time(play) == "Жива"


def test_status_shows_who_answers_and_why_not_the_first(stored_preferences: Make) -> None:
    model, spare = ScriptedModel("a/one", [_error("out_of_funds")]), ScriptedModel("b/two")
    router = _router(stored_preferences(model="a/one", fallbacks=["b/two", "c/gone"]), model, spare)

    async def play() -> None:
        await _ask(router)
        first, second, third = router.model_status()
        assert (first.state, first.last_error_code, first.answering) == ("resting", "out_of_funds", False)
        assert first.resting_s == pytest.approx(60)
        assert (second.state, second.answering) == ("ready", True)
        assert third.state == "missing"
        router.forgive("a/one")
        assert router.model_status()[0].answering is True

    in_virtual_time(play)


def test_closing_the_reply_stops_the_model_at_once(stored_preferences: Make) -> None:
    model = ScriptedModel("a/one", ["раз", 5.0, "два"])
    router = _router(stored_preferences(model="a/one"), model)

    async def play() -> None:
        reply = router.stream(REQUEST, ["a/one"])
        assert (await anext(reply)).text == "раз"
        await reply.aclose()
        assert model.closed == 1
        waiting = asyncio.ensure_future(_ask(router))
        await asyncio.sleep(1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert model.closed == 2
        assert router._records == {}

    in_virtual_time(play)


def test_without_a_choice_a_real_model_answers_before_a_demo(stored_preferences: Make) -> None:
    demo, loading = ScriptedModel("local/demo", demo=True), ScriptedModel("a/loading", state="loading")
    ready, away = ScriptedModel("b/ready"), ScriptedModel("c/away", state="unavailable")
    router = _router(stored_preferences(), demo, away, loading, ready)
    assert router.candidates() == ["b/ready", "a/loading", "c/away"]
    assert _router(stored_preferences(), demo).candidates() == ["local/demo"]
    with pytest.raises(Unavailable, match="No language model"):
        _router(stored_preferences()).candidates()


def test_a_choice_that_is_gone_does_not_silence_the_secretary(stored_preferences: Make) -> None:
    router = _router(stored_preferences(model="gone/model"), ScriptedModel("local/demo", ["Я отвечу"], demo=True))
    assert in_virtual_time(lambda: _ask(router)) == ("Я отвечу", "local/demo", ["model_not_found"])


def test_names_of_older_settings_are_understood(stored_preferences: Make) -> None:
    router = _router(
        stored_preferences(), ScriptedModel("vllm/qwen"), ScriptedModel("mine/x"), ScriptedModel("mine/y", demo=True)
    )
    assert [router.resolve(name) for name in ("vllm", "cloud:mine", "mine/y", "gemini", "mine/z")] == [
        "vllm/qwen",
        "mine/x",
        "mine/y",
        None,
        None,
    ]
    with pytest.raises(NotFound) as error:
        router.candidates("gemini")
    assert error.value.code == "model_not_found"
    assert router.candidates("mine/y", fallbacks=()) == ["mine/y"]
