"""The stage in the dialogue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from ai_secretary.dialogue import Final, Overrides, Person, ReplyEvent, TextDelta, Turn
from ai_secretary.dialogue import stage as orders
from ai_secretary_faq.drafts import check
from ai_secretary_faq.options import FaqOptions

from .conftest import Running


async def model_stream() -> AsyncIterator[ReplyEvent]:
    yield TextDelta("from the model")


MODEL = model_stream()


async def proceed(turn: Turn) -> AsyncIterator[ReplyEvent]:
    return MODEL


def turn(text: str, **changes: object) -> Turn:
    plain = Turn("c", text, "test", Person("p"), language="ru", timezone="Europe/Moscow")
    return replace(plain, **changes)  # type: ignore[arg-type]


async def events(faq: Running, asked: Turn) -> list[ReplyEvent] | None:
    """The events of the FAQ, or None where the turn went on untouched (the very stream of the next stage came back)."""
    [entry] = faq.registries.stages()
    assert entry.order == orders.FAQ
    stream = await entry.stage.handle(asked, proceed)
    return None if stream is MODEL else [event async for event in stream]


async def test_it_answers_names_its_source_and_counts_the_hit(sqlite_faq: Running) -> None:
    entry = await sqlite_faq.actions.create(check("Который час?", "Сейчас {current_time}, {day_of_week} {other}"))
    reply = await events(sqlite_faq, turn("который час"))
    assert reply is not None
    text, final = reply
    assert isinstance(text, TextDelta)
    assert text.text.startswith("Сейчас ")
    assert text.text.endswith("{other}")
    assert isinstance(final, Final)
    assert (final.source.kind, final.source.label, final.source.id) == ("faq", "Который час?", entry.id)
    assert final.details["matched_by"] == "exact"
    assert 0 < final.timings.stages["rule"] < 50
    assert (await sqlite_faq.actions.get(entry.id)).hit_count == 1


async def test_an_uninterested_stage_hands_on_the_next_stream_itself(sqlite_faq: Running) -> None:
    await sqlite_faq.actions.create(check("Где парковка?", "Во дворе"))
    for text in ("", "а", "расскажи анекдот"):
        assert await events(sqlite_faq, turn(text)) is None


async def test_a_program_with_tools_or_a_format_gets_the_model(sqlite_faq: Running) -> None:
    await sqlite_faq.actions.create(check("Где парковка?", "Во дворе"))
    for overrides in (Overrides(tools=({"type": "function"},)), Overrides(response_format={"type": "json_object"})):
        assert await events(sqlite_faq, turn("где парковка", overrides=overrides)) is None
    # Another model or persona does not silence the FAQ.
    assert await events(sqlite_faq, turn("где парковка", overrides=Overrides(model="cloud/x", persona="anna"))) is not None


async def test_switching_the_faq_off_takes_effect_at_once(sqlite_faq: Running) -> None:
    await sqlite_faq.actions.create(check("Где парковка?", "Во дворе"))
    await sqlite_faq.context.save_options(FaqOptions(enabled=False))
    assert await events(sqlite_faq, turn("где парковка")) is None
    assert sqlite_faq.plugin.health().state == "off"
    await sqlite_faq.context.save_options(FaqOptions())
    assert await events(sqlite_faq, turn("где парковка")) is not None
    assert sqlite_faq.plugin.health().state == "ok"


async def test_a_trial_counts_no_hit_and_says_why(sqlite_faq: Running) -> None:
    entry = await sqlite_faq.actions.create(check("Где парковка?", "Во дворе, {current_time}"))
    tested = await sqlite_faq.actions.test("где парковка", "ru", "UTC")
    assert tested.answer is not None
    assert "{" not in tested.answer
    assert tested.explanation.candidates[0].verdict == "matched"
    assert (await sqlite_faq.actions.get(entry.id)).hit_count == 0
    await sqlite_faq.context.save_options(FaqOptions(enabled=False))
    off = await sqlite_faq.actions.test("где парковка", "ru", "UTC")
    assert (off.answer, off.explanation.reason) == (None, "off")
