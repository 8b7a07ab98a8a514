"""A persona's id as the model: the whole pipeline answers, with FAQ, flows, knowledge and spare models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from ai_secretary.api.problems import internal_error
from ai_secretary.api.v1.asgi import JSON, ClientGone, Departure, EventStream, closed_after, respond
from ai_secretary.api.v1.call import Call
from ai_secretary.api.v1.failures import error_event
from ai_secretary.api.v1.passthrough import SSE_HEADERS, check_choices, uses_functions
from ai_secretary.api.v1.rendering import ChunkWriter, Collected, new_completion_id
from ai_secretary.api.v1.requests import (
    ChatIn,
    messages_of,
    response_format_of,
    sampling_of,
    tool_choice_of,
    tools_of,
)
from ai_secretary.api.v1.sse import DONE
from ai_secretary.api.v1.threads import Heads, Place, place_of
from ai_secretary.conversations import ConversationRecord, Exchange, MessageRecord, MessageSource, UsageRecord
from ai_secretary.conversations.wire import title_of
from ai_secretary.dialogue import Final, Overrides, Person, ReplyEvent, TextDelta, ToolCall, Turn
from ai_secretary.dialogue.language import detect
from ai_secretary.dialogue.persona import Persona
from ai_secretary.errors import Conflict, InvalidInput, SecretaryError
from ai_secretary.llm import ChatDelta, ChatMessage, ToolCallDelta, Usage

if TYPE_CHECKING:
    from ai_secretary.app import Application

log = structlog.get_logger(__name__)

SOURCE = "api"
_MODEL_KINDS = frozenset({"model", "demo_model"})


@dataclass(slots=True)
class _Reply:
    """One reply as it comes, and what has come of it."""

    events: AsyncIterator[ReplyEvent]
    collected: Collected
    final: Final | None = None
    first_ms: float | None = None

    async def deltas(self, call: Call) -> AsyncIterator[ChatDelta]:
        """The events that this channel renders, as deltas. `Final` is kept, not passed on."""
        async with closed_after(self.events) as events:
            async for event in events:
                if (delta := self._take(event, call)) is not None:
                    yield delta

    def _take(self, event: ReplyEvent, call: Call) -> ChatDelta | None:
        delta: ChatDelta | None = None
        if isinstance(event, TextDelta):
            delta = ChatDelta(event.text)
        elif isinstance(event, ToolCall):
            asked = event.call
            delta = ChatDelta(tool_calls=(ToolCallDelta(event.index, asked.id, asked.name, asked.arguments),))
        elif isinstance(event, Final):
            self.final = event
            self.collected.add(ChatDelta(finish_reason=event.finish_reason, usage=event.usage))
        if delta is not None:
            if self.first_ms is None:
                self.first_ms = call.elapsed_ms
            self.collected.add(delta)
        return delta


class PersonaChat:
    """Serves chat requests whose model is a persona."""

    def __init__(self, application: Application, *, ping_s: float) -> None:
        self._dialogue = application.dialogue
        self._router = application.router
        self._registries = application.registries
        self._journal = application.journal
        self._timezone = application.settings.timezone
        self._heads = Heads(application.conversations)
        self.ping_s = ping_s

    async def serve(self, call: Call, persona: Persona, chat: ChatIn) -> None:
        check_choices(chat)
        place = place_of(call.principal, call.conversation_header, chat.metadata, chat.user)
        await self._heads.ensure(call.principal, place)
        turn = self._turn(call, persona, chat, place)
        said = turn.text
        headers = [(b"x-conversation-id", place.conversation_id.encode())]
        if chat.stream:
            await self._stream(call, chat, turn, said, place, headers)
            return
        try:
            async with Departure(call.receive):
                reply = _Reply(self._dialogue.reply(turn), Collected())
                async with closed_after(reply.deltas(call)) as deltas:
                    async for _ in deltas:
                        pass  # collected
        except ClientGone:
            return
        answer = reply.collected.completion(new_completion_id(), chat.model, legacy_functions=uses_functions(chat))
        await self._store(call, turn, said, place, reply)
        await respond(call.send, 200, call.headers(JSON, *headers), answer)

    async def _stream(
        self, call: Call, chat: ChatIn, turn: Turn, said: str, place: Place, headers: list[tuple[bytes, bytes]]
    ) -> None:
        stream = EventStream(call.send, call.headers(*SSE_HEADERS, *headers), self.ping_s)
        writer = ChunkWriter(
            new_completion_id(), chat.model, include_usage=chat.wants_usage, legacy_functions=uses_functions(chat)
        )
        reply: _Reply | None = None
        try:
            async with Departure(call.receive) as departure:
                reply = _Reply(self._dialogue.reply(turn), Collected())
                async with closed_after(reply.deltas(call)) as deltas:
                    async for delta in deltas:
                        await stream.write(writer.delta(delta))
                end = writer.finish(reply.collected.finish)
                await stream.write(end + writer.usage(reply.collected.usage) if chat.wants_usage else end)
                departure.over()
                await self._store(call, turn, said, place, reply)
                await stream.write(DONE)
                await stream.end()
        except ClientGone:
            # Kept is only what has been sent; nothing, if the answer had not begun.
            if reply is not None and reply.first_ms is not None and reply.final is None:
                await self._store(call, turn, said, place, reply, cancelled=True)
        except Exception as error:
            if not stream.started:
                raise
            shown = error if isinstance(error, SecretaryError) else internal_error()
            if shown is not error:
                log.exception("v1_stream_failed", model=chat.model)
            await stream.write(error_event(shown))
            await stream.end()
            if reply is not None and reply.final is None:
                try:
                    await self._store(call, turn, said, place, reply, error=shown)
                except SecretaryError as failed:
                    log.error("v1_broken_off_not_stored", model=chat.model, code=failed.code)
        finally:
            stream.stop()

    def forget(self) -> None:
        """Read the state of conversations anew at their next exchange."""
        self._heads.clear()

    # ---- the turn ----

    def _turn(self, call: Call, persona: Persona, chat: ChatIn, place: Place) -> Turn:
        messages = messages_of(chat)
        for index, message in enumerate(messages):
            if isinstance(message.content, list) and any(part.get("type") != "text" for part in message.content):
                raise InvalidInput(
                    "A persona takes text only; ask a model directly to send it images or files",
                    field=f"messages.{index}.content",
                    code="content_not_supported",
                )
        instructions = tuple(message.text for message in messages if message.role in {"system", "developer"} and message.text)
        spoken = [message for message in messages if message.role not in {"system", "developer"}]
        text, history, following = _split(spoken)
        principal = call.principal
        return Turn(
            conversation_id=place.conversation_id,
            text=text,
            source=SOURCE,
            person=Person(principal.id, principal.name, language=call.context.language),
            history=history,
            following=following,
            language=detect(text, call.context.language),
            overrides=self._overrides(persona, chat),
            timezone=self._timezone,
            instructions=instructions,
            metadata={"request_id": call.context.request_id, **({"user": chat.user} if chat.user else {})},
        )

    def _overrides(self, persona: Persona, chat: ChatIn) -> Overrides:
        overrides = Overrides(
            persona=persona.id,
            sampling=sampling_of(chat),
            tools=tools_of(chat),
            tool_choice=tool_choice_of(chat),
            response_format=response_format_of(chat),
        )
        if not overrides.tools and overrides.response_format is None:
            return replace(overrides, tool_choice=None)
        able = [model_id for model_id in self._router.candidates(persona.model) if self._can(model_id, overrides)]
        if not able:
            what = "tools" if overrides.tools else "response_format"
            raise InvalidInput(
                "No model that is connected can do this: {what}",
                what=what,
                field=what,
                code=f"{what}_not_supported",
                hint="Leave it out, or connect a model that can.",
            )
        return replace(overrides, model=able[0], fallbacks=tuple(able[1:]))

    def _can(self, model_id: str, overrides: Overrides) -> bool:
        model = self._registries.find_model(model_id)
        if model is None:
            return False
        info = model.info
        return (info.supports_tools or not overrides.tools) and (info.supports_json_schema or overrides.response_format is None)

    # ---- storing ----

    async def _store(
        self,
        call: Call,
        turn: Turn,
        said: str,
        place: Place,
        reply: _Reply,
        *,
        cancelled: bool = False,
        error: SecretaryError | None = None,
    ) -> None:
        """One transaction, waited for. If the message to follow is gone, the exchange follows what is there now."""
        try:
            await self._journal.record(self._exchange(call, turn, said, place, reply, cancelled=cancelled, error=error))
        except Conflict:
            self._heads.forget(call.principal, place)
            await self._heads.ensure(call.principal, replace(place, name=""))
            await self._journal.record(self._exchange(call, turn, said, place, reply, cancelled=cancelled, error=error))
        except BaseException:
            self._heads.forget(call.principal, place)
            raise

    def _exchange(
        self, call: Call, turn: Turn, said: str, place: Place, reply: _Reply, *, cancelled: bool, error: SecretaryError | None
    ) -> Exchange:
        principal = call.principal
        conversation_id = place.conversation_id
        final = reply.final
        source = final.source if final is not None else None
        by_model = source is not None and source.kind in _MODEL_KINDS
        usage = reply.collected.usage if final is not None else Usage()
        details: dict[str, Any] = dict(final.details) if final is not None else {}
        if calls := reply.collected.tool_calls:
            details["tool_calls"] = calls
        question = MessageRecord(conversation_id, None, "user", said)
        timings: dict[str, Any] = {"total_ms": round(call.elapsed_ms, 1)}
        if reply.first_ms is not None:
            timings["first_token_ms"] = round(reply.first_ms, 1)
        if final is not None and final.timings.stages:
            timings["stages"] = dict(final.timings.stages)
        answer = MessageRecord(
            conversation_id,
            question.id,
            "assistant",
            reply.collected.text,
            status="cancelled" if cancelled else "error" if error is not None else "ok",
            error_code=error.code if error is not None else None,
            source=MessageSource(source.kind, source.label, source.id) if source is not None else None,
            model=source.id if source is not None and by_model else None,
            usage=usage,
            timings=timings,
            details=details,
        )
        question.parent_id = self._heads.take(principal, place, answer.id)
        spent: tuple[UsageRecord, ...] = ()
        if source is not None and by_model:
            spent = (
                UsageRecord(
                    "llm",
                    actor_id=principal.id,
                    source=SOURCE,
                    model=source.id,
                    prompt_tokens=usage.prompt_tokens,
                    completion_tokens=usage.completion_tokens,
                    cost_usd=usage.cost_usd,
                    duration_ms=call.elapsed_ms,
                    conversation_id=conversation_id,
                ),
            )
        return Exchange(
            conversation_id,
            (question, answer),
            conversation=ConversationRecord(
                conversation_id,
                SOURCE,
                source_id=place.name[:100] or None,
                owner_id=principal.id,
                person_id=principal.id,
                person_name=principal.name,
                persona=turn.overrides.persona,
            ),
            usage=spent,
            audit=(
                call.audit(
                    "chat.completion",
                    "conversation",
                    conversation_id,
                    {
                        "persona": turn.overrides.persona,
                        "source": source.kind if source is not None else "",
                        "tokens": usage.total_tokens,
                    },
                ),
            ),
            title=title_of(said),
        )


def _split(spoken: list[ChatMessage]) -> tuple[str, tuple[ChatMessage, ...], tuple[ChatMessage, ...]]:
    """What the person said last, what came before, and what has followed it: calls of tools and their results."""
    last = next((index for index in range(len(spoken) - 1, -1, -1) if spoken[index].role == "user"), None)
    if last is None:
        raise InvalidInput("Invalid value for {param}: there is no message of a user", param="messages", field="messages")
    following = tuple(spoken[last + 1 :])
    if following and following[-1].role != "tool":
        raise InvalidInput(
            "Invalid value for {param}: the last message must be a user's or a tool's", param="messages", field="messages"
        )
    text = spoken[last].text
    if not text.strip():
        raise InvalidInput("Invalid value for {param}: the user's message is empty", param="messages", field="messages")
    return text, tuple(spoken[:last]), following
