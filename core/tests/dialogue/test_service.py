"""Whole turns: asked, streamed, stored; branches, failures, cancellations; on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from ai_secretary.access import Principal
from ai_secretary.audit.chain import ChainWriter
from ai_secretary.channels import Capabilities
from ai_secretary.context import RequestContext, request_context
from ai_secretary.conversations import Conversations, Journal, Message, Visibility
from ai_secretary.dialogue import AnswerSource, Final, Next, Overrides, Person, ReplyEvent, TextDelta, ToolCall, Turn
from ai_secretary.dialogue.personas import Personas
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.dialogue.routing import ModelRouter
from ai_secretary.dialogue.service import Dialogue, Stored
from ai_secretary.errors import Conflict, InvalidInput, NotFound, ProviderError, RateLimited
from ai_secretary.events import EventBus
from ai_secretary.llm import Sampling
from ai_secretary.plugins.registrars import StageEntry
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database, Preferences

from .scripted import ScriptedModel, ScriptedSource, tool_deltas

EVERYTHING = Visibility.everything()
PERSON = Person("u1", "Пётр")


@dataclass
class House:
    """A dialogue with all its real parts and scripted models."""

    dialogue: Dialogue
    conversations: Conversations
    registries: Registries
    preferences: Preferences
    database: Database
    refusals: list[str] = field(default_factory=list)

    async def say(self, text: str, conversation: str | None = None, **options: Any) -> tuple[str, Final | None, Stored]:
        parts: list[str] = []
        final: Final | None = None
        stored: Stored | None = None
        try:
            async for item in self.dialogue.converse(conversation, text, person=PERSON, source="test", **options):
                if isinstance(item, TextDelta):
                    parts.append(item.text)
                elif isinstance(item, Final):
                    final = item
                elif isinstance(item, Stored):
                    stored = item
        except ProviderError:
            assert stored is not None
            assert stored.error is not None
        assert stored is not None
        return "".join(parts), final, stored

    async def branch(self, conversation_id: str) -> list[Message]:
        return await self.conversations.path(EVERYTHING, conversation_id)


@asynccontextmanager
async def _house(database: Database, *models: ScriptedModel, **preferences: Any) -> AsyncIterator[House]:
    bus, registries = EventBus(), Registries()
    registries.add_chat_source("test", ScriptedSource(*models))
    stored = Preferences(database, bus)
    await stored.set(SUBJECT, DialoguePreferences(**preferences))
    personas = Personas(database, stored, bus)
    await personas.load()
    journal, conversations = Journal(database, chain=ChainWriter()), Conversations(database)
    journal.start()
    refusals: list[str] = []

    def budget(principal: Principal) -> None:
        if principal.id in refusals:
            raise RateLimited("spent", code="insufficient_quota")

    router = ModelRouter(registries, stored, bus)
    dialogue = Dialogue(registries, stored, personas, router, conversations, journal, budget=budget)
    yield House(dialogue, conversations, registries, stored, database, refusals)
    await journal.stop()
    await bus.drain()


async def _rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    async with database.session() as session:
        return [tuple(row) for row in await session.execute(text(query))]


async def test_a_turn_is_answered_and_stored_as_a_whole(database: Database) -> None:
    model = ScriptedModel("a/one", ["Здрав", "ствуйте"], price_prompt=1.0, price_completion=10.0, title="Первая")
    async with _house(database, model) as house:
        said, final, stored = await house.say("Привет, это я", owner_id="user_1", source_id="default")
        assert said == "Здравствуйте"
        assert final is not None
        assert final.source == AnswerSource("model", "Первая", "a/one")
        assert (final.usage.prompt_tokens, final.usage.completion_tokens) == (10, 2)
        assert final.usage.cost_usd == pytest.approx(30e-6)
        assert final.timings.first_token_ms is not None
        assert set(final.timings.stages) == {"llm"}
        assert final.details == {"model": "a/one", "persona": "anna"}

        conversation = await house.conversations.get(EVERYTHING, stored.conversation_id)
        assert (conversation.title, conversation.owner_id, conversation.source_id) == ("Привет, это я", "user_1", "default")
        branch = await house.branch(stored.conversation_id)
        assert [(m.id, m.role, m.content) for m in branch] == [
            (stored.user_message.id, "user", "Привет, это я"),
            (stored.assistant_message.id, "assistant", "Здравствуйте"),
        ]
        assert branch[1].source == stored.assistant_message.source
        assert branch[1].timings["stages"].keys() == {"llm"}
        assert await _rows(database, "SELECT kind, actor_id, model, prompt_tokens FROM usage_log") == [
            ("llm", "user_1", "a/one", 10)
        ]
        assert await _rows(database, "SELECT action, resource_id FROM audit_log") == [("chat.reply", stored.conversation_id)]


async def test_the_model_sees_prompt_history_and_settings(database: Database) -> None:
    model = ScriptedModel("a/one", ["да"], window=100_000)
    async with _house(database, model, company="Ромашка") as house:
        _, _, stored = await house.say("Первый вопрос")
        await house.say("Второй вопрос", stored.conversation_id, capabilities=Capabilities(speech=True))
        messages = model.requests[1].messages
        assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
        assert [message.content for message in messages[1:]] == ["Первый вопрос", "да", "Второй вопрос"]
        assert "Анна" in messages[0].text
        assert "Ромашка" in messages[0].text
        assert "голосом" in messages[0].text
        assert "голосом" not in model.requests[0].messages[0].text
        assert model.requests[0].sampling == Sampling(temperature=0.7, top_p=0.9, max_tokens=512, repetition_penalty=1.1)

        await house.conversations.update(
            EVERYTHING, stored.conversation_id, {"persona": "marina", "sampling": {"temperature": 0.1}}
        )
        await house.say("Third question in English", stored.conversation_id)
        request = model.requests[2]
        assert "Marina" in request.messages[0].text
        assert (request.sampling.temperature, request.sampling.top_p) == (0.1, 0.85)
        await house.say(
            "ok", stored.conversation_id, overrides=Overrides(system_prompt="Only this.", sampling=Sampling(temperature=2))
        )
        assert model.requests[3].messages[0].content == "Only this."
        assert model.requests[3].sampling.temperature == 2


async def test_edit_and_regenerate_make_branches(database: Database) -> None:
    model = ScriptedModel("a/one", ["первый"], ["второй"], ["третий"], ["четвёртый"])
    async with _house(database, model) as house:
        _, _, first = await house.say("вопрос")
        conversation = first.conversation_id
        _, _, second = await house.say("", conversation, regenerate=first.assistant_message.id)
        assert second.user_message.id == first.user_message.id
        branch = await house.branch(conversation)
        assert [message.content for message in branch] == ["вопрос", "второй"]
        assert branch[1].siblings is not None
        assert branch[1].siblings.ids == (first.assistant_message.id, second.assistant_message.id)
        _, _, third = await house.say("иначе", conversation, edit_of=first.user_message.id)
        branch = await house.branch(conversation)
        assert [(message.content, message.edited) for message in branch] == [("иначе", True), ("третий", False)]
        assert [message.content for message in model.requests[2].messages[1:]] == ["иначе"]
        _, _, fourth = await house.say("продолжение старого", conversation, parent_id=second.assistant_message.id)
        assert [message.content for message in await house.branch(conversation)][:2] == ["вопрос", "второй"]
        assert (await house.conversations.get(EVERYTHING, conversation)).message_count == 7
        for wrong in ({"edit_of": third.assistant_message.id}, {"regenerate": "msg_x"}, {"parent_id": "msg_x"}):
            with pytest.raises((InvalidInput, NotFound)):
                await house.say("ещё", conversation, **wrong)  # type: ignore[arg-type]
        assert fourth.user_message.parent_id == second.assistant_message.id


async def test_a_failure_is_an_error_and_the_question_can_be_asked_again(database: Database) -> None:
    model = ScriptedModel("a/one", [ProviderError("Ключ не подошёл", code="key_refused", hint="Замените")], ["Теперь да"], ["и"])
    async with _house(database, model, cooldown_s=0) as house:
        said, final, stored = await house.say("Важный вопрос")
        assert (said, final) == ("", None)
        branch = await house.branch(stored.conversation_id)
        assert [(m.role, m.content, m.status, m.error_code) for m in branch] == [
            ("user", "Важный вопрос", "ok", None),
            ("assistant", "", "error", "key_refused"),
        ]
        assert branch[1].details == {"error": "Ключ не подошёл", "hint": "Замените"}
        assert await _rows(database, "SELECT count(*) FROM usage_log") == [(0,)]
        said, _, again = await house.say("", stored.conversation_id, regenerate=stored.assistant_message.id)
        assert said == "Теперь да"
        assert again.user_message.id == stored.user_message.id
        await house.say("Следующий", stored.conversation_id)
        assert [message.content for message in model.requests[2].messages[1:]] == ["Важный вопрос", "Теперь да", "Следующий"]


async def test_an_unanswered_question_is_not_repeated_to_the_model(database: Database) -> None:
    model = ScriptedModel("a/one", [ProviderError("нет", code="key_refused")], ["да"])
    async with _house(database, model, cooldown_s=0) as house:
        _, _, stored = await house.say("Первый")
        await house.say("Второй", stored.conversation_id)
        assert [message.content for message in model.requests[1].messages[1:]] == ["Второй"]
        assert len(await house.branch(stored.conversation_id)) == 4


async def test_breaking_off_in_mid_answer_keeps_what_came_as_a_detail_only(database: Database) -> None:
    model = ScriptedModel("a/one", ["Половина", ProviderError("оборвалось", code="unreachable")])
    async with _house(database, model) as house:
        said, _, stored = await house.say("Вопрос")
        assert said == "Половина"
        reply = (await house.branch(stored.conversation_id))[1]
        assert (reply.content, reply.status, reply.details["partial"]) == ("", "error", "Половина")


async def _start(house: House, **options: Any) -> AsyncIterator[Any]:
    stream = house.dialogue.converse(None, "Вопрос", person=PERSON, source="test", **options)
    assert await anext(stream) == TextDelta("раз ")
    return stream


@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_stopping_early_stores_only_what_was_received(database: Database, way: str) -> None:
    model = ScriptedModel("a/one", ["раз ", "два ", 60.0, "три"])
    async with _house(database, model) as house:
        if way == "close":
            stream = await _start(house)
            assert await anext(stream) == TextDelta("два ")
            await stream.aclose()  # type: ignore[attr-defined]
        else:
            received = asyncio.Event()

            async def listen() -> None:
                async for item in house.dialogue.converse(None, "Вопрос", person=PERSON, source="test"):
                    if item == TextDelta("два "):
                        received.set()

            task = asyncio.ensure_future(listen())
            await received.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert model.closed == 1
        (listed,) = (await house.conversations.list(EVERYTHING)).items
        branch = await house.branch(listed.id)
        assert [(m.content, m.status) for m in branch] == [("Вопрос", "ok"), ("раз два ", "cancelled")]


async def test_a_channel_can_say_what_was_really_heard(database: Database) -> None:
    async with _house(database, ScriptedModel("a/one", ["раз ", "два", 60.0])) as house:
        stream = await _start(house, delivered=lambda: "ра")
        await stream.aclose()  # type: ignore[attr-defined]
        (listed,) = (await house.conversations.list(EVERYTHING)).items
        assert (await house.branch(listed.id))[1].content == "ра"


async def test_turns_of_one_conversation_wait_for_each_other(sqlite_database: Database) -> None:
    model = ScriptedModel("a/one", [0.05, "ответ"])
    async with _house(sqlite_database, model) as house:
        _, _, stored = await house.say("начало")
        results = await asyncio.gather(
            *(house.say(f"вопрос {number}", stored.conversation_id) for number in range(8)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, Conflict)]
        assert {error.code for error in refused} == {"conversation_busy"}
        answered = len(results) - len(refused)
        assert 2 <= answered <= 6
        branch = await house.branch(stored.conversation_id)
        assert len(branch) == 2 + 2 * answered
        assert [message.role for message in branch] == ["user", "assistant"] * (answered + 1)
        assert house.dialogue._locks._locks == {}


async def test_two_hundred_conversations_at_once(sqlite_database: Database) -> None:
    async with _house(sqlite_database, ScriptedModel("a/one", ["о", 0.01, "твет"])) as house:
        results = await asyncio.gather(*(house.say(f"вопрос {number}") for number in range(200)))
        assert {said for said, _, _ in results} == {"ответ"}
        assert (await house.conversations.list(EVERYTHING)).total == 200
        assert await _rows(sqlite_database, "SELECT count(*) FROM messages") == [(400,)]


@pytest.mark.parametrize(
    ("asked", "answered", "begins"),
    [
        ("Привет, как дела?", "phrase", "Вопрос понятен"),
        ("Hello, how are you?", "demo_model", "Hi"),
        ("123", "phrase", "Вопрос понятен"),
    ],
)
async def test_a_model_that_does_not_speak_the_language_says_so(
    sqlite_database: Database, asked: str, answered: str, begins: str
) -> None:
    demo = ScriptedModel("local/demo", ["Hi"], languages=frozenset({"en"}), demo=True, local=True)
    async with _house(sqlite_database, demo) as house:
        said, final, stored = await house.say(asked)
        assert final is not None
        assert final.source.kind == answered
        assert said.startswith(begins)
        if answered == "phrase":
            assert demo.requests == []
            assert set(final.timings.stages) == {"rule"}
            assert (await house.branch(stored.conversation_id))[1].source is not None
        else:
            assert final.usage.cost_usd == 0.0


async def test_a_spare_model_that_speaks_the_language_answers_instead(sqlite_database: Database) -> None:
    english = ScriptedModel("local/en", ["Hi"], languages=frozenset({"en"}))
    both = ScriptedModel("local/ru", ["Да"], languages=frozenset({"ru", "en"}))
    async with _house(sqlite_database, english, both, model="local/en", fallbacks=("local/ru",)) as house:
        assert (await house.say("Вы работаете сегодня?"))[0] == "Да"
        assert (await house.say("Are you open today?"))[0] == "Hi"


async def test_a_spare_model_is_named_in_the_details(sqlite_database: Database) -> None:
    failing = ScriptedModel("a/one", [ProviderError("нет", code="out_of_funds")])
    async with _house(sqlite_database, failing, ScriptedModel("b/two"), model="a/one", fallbacks=("b/two",)) as house:
        _, final, stored = await house.say("Вопрос")
        assert final is not None
        assert (final.details["fallback_from"], final.details["fallback_reason"]) == ("a/one", "out_of_funds")
        assert stored.assistant_message.model == "b/two"
        assert [status.answering for status in house.dialogue.model_status()] == [False, True]


async def test_old_messages_are_left_out_and_counted(sqlite_database: Database) -> None:
    model = ScriptedModel("a/one", ["слово " * 40], window=700)
    async with _house(sqlite_database, model) as house:
        _, _, stored = await house.say(
            "начало " * 40, overrides=Overrides(system_prompt="Кратко.", sampling=Sampling(max_tokens=50))
        )
        for _ in range(12):
            _, final, _ = await house.say(
                "вопрос " * 40,
                stored.conversation_id,
                overrides=Overrides(system_prompt="Кратко.", sampling=Sampling(max_tokens=50)),
            )
        assert final is not None
        assert final.details["trimmed"] > 0
        assert model.requests[-1].messages[0].content == "Кратко."
        with pytest.raises(InvalidInput) as error:
            await house.say("очень " * 900, stored.conversation_id)
        assert error.value.code == "context_length_exceeded"


async def test_tools_of_the_client_reach_a_model_that_can(sqlite_database: Database) -> None:
    plain = ScriptedModel("a/plain", ["нет"])
    able = ScriptedModel("b/able", tool_deltas(), supports_tools=True)
    tools = ({"type": "function", "function": {"name": "weather"}},)
    async with _house(sqlite_database, plain, able, model="a/plain", fallbacks=("b/able",)) as house:
        items = [
            item
            async for item in house.dialogue.converse(
                None, "Погода?", person=PERSON, source="test", overrides=Overrides(tools=tools)
            )
        ]
        (call,) = [item for item in items if isinstance(item, ToolCall)]
        assert (call.call.name, call.call.arguments) == ("weather", '{"city": "Омск"}')
        assert plain.requests == []
        assert able.requests[0].tools == tools
        with pytest.raises(InvalidInput) as error:
            await house.say("Погода?", overrides=Overrides(tools=tools, model="a/plain", fallbacks=()))
        assert error.value.code == "tools_not_supported"


async def test_a_stage_of_a_plugin_answers_without_a_model(sqlite_database: Database) -> None:
    @dataclass
    class Hours:
        async def handle(self, turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]:
            return self._say() if "часы" in turn.text else await proceed(turn)

        async def _say(self) -> AsyncIterator[ReplyEvent]:
            yield TextDelta("С девяти до шести")
            yield Final(AnswerSource("faq", "Часы работы", "faq_1"))

    async with _house(sqlite_database, ScriptedModel("a/one")) as house:
        house.registries.add_stage(StageEntry(400, "hours", "hours", "Hours", Hours()))
        said, final, stored = await house.say("Ваши часы?")
        assert said == "С девяти до шести"
        assert final is not None
        assert list(final.timings.stages) == ["rule"]
        assert stored.assistant_message.source is not None
        assert stored.assistant_message.source.kind == "faq"
        assert await _rows(sqlite_database, "SELECT count(*) FROM usage_log") == [(0,)]
        assert (await house.say("Другое"))[0] == "Хорошо"


async def test_a_spent_budget_refuses_the_model_but_not_the_faq(sqlite_database: Database) -> None:
    async with _house(sqlite_database, ScriptedModel("a/one")) as house:
        house.refusals.append("key_1")
        token = request_context.set(RequestContext("r", principal=Principal("key_1", "key", "Сайт")))
        try:
            with pytest.raises(RateLimited) as error:
                async for _ in house.dialogue.converse(None, "Вопрос", person=PERSON, source="api"):
                    pass
        finally:
            request_context.reset(token)
        assert error.value.code == "insufficient_quota"


async def test_wrong_input_is_refused_before_anything_is_stored(sqlite_database: Database) -> None:
    async with _house(sqlite_database, ScriptedModel("a/one")) as house:
        for options in ({"text": "  "}, {"text": "а" * 200_001}, {"text": "а", "edit_of": "msg_1"}):
            with pytest.raises(InvalidInput):
                await house.say(**options)  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            await house.say("а", "conv_none")
        with pytest.raises(NotFound):
            await house.say("а", overrides=Overrides(persona="nobody"))
        assert (await house.conversations.list(EVERYTHING)).total <= 1


async def test_a_reply_alone_stores_nothing(sqlite_database: Database) -> None:
    async with _house(sqlite_database, ScriptedModel("a/one", ["да"])) as house:
        turn = Turn("conv_x", "Вопрос", "test", PERSON, language="ru")
        events = [event async for event in house.dialogue.reply(turn)]
        assert [type(event) for event in events] == [TextDelta, Final]
        assert (await house.conversations.list(EVERYTHING)).total == 0
        assert Callable is not None
