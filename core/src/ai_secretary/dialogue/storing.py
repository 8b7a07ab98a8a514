"""What a turn leaves behind: one exchange in the journal, whole or cut off or failed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from ai_secretary.audit.event import AuditEvent
from ai_secretary.conversations import Exchange, Journal, Message, MessageRecord, MessageSource, UsageRecord
from ai_secretary.conversations.wire import title_of
from ai_secretary.dialogue.events import Final, Timings, ToolCall
from ai_secretary.dialogue.turns import OpenTurn
from ai_secretary.errors import SecretaryError
from ai_secretary.llm import Usage


@dataclass(slots=True)
class Stored:
    """The last item of `converse`: what is in the conversation now. With `error`, the question is kept and can be asked again."""

    conversation_id: str
    user_message: Message
    assistant_message: Message
    error: SecretaryError | None = None


class Keeper:
    """Stores exchanges; the only part of the dialogue that writes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._storing: set[asyncio.Future[Stored]] = set()

    async def store_cancelled(self, opened: OpenTurn, text: str) -> None:
        """The caller is going away: finish storing in a task of its own, which its cancellation does not reach."""
        task = asyncio.ensure_future(self.store(opened, text, "cancelled"))
        self._storing.add(task)
        task.add_done_callback(self._storing.discard)
        await asyncio.shield(task)

    async def store(
        self,
        opened: OpenTurn,
        text: str,
        status: Literal["ok", "error", "cancelled"],
        *,
        final: Final | None = None,
        error: SecretaryError | None = None,
        calls: Sequence[ToolCall] = (),
        partial: str = "",
    ) -> Stored:
        turn = opened.turn
        details: dict[str, Any] = dict(final.details) if final is not None else {}
        if calls:
            details["tool_calls"] = [asdict(call.call) for call in calls]
        if error is not None:
            details["error"] = error.message
            if error.hint:
                details["hint"] = error.hint
            if partial:
                details["partial"] = partial
        elapsed = (time.perf_counter() - opened.started) * 1000
        timings = _timings(final.timings) if final is not None else {"total_ms": round(elapsed, 1)}
        user = opened.user_message
        assistant = MessageRecord(
            turn.conversation_id,
            user.id,
            "assistant",
            text,
            opened.assistant_id,
            status=status,
            error_code=error.code if error is not None else None,
            source=MessageSource(final.source.kind, final.source.label, final.source.id) if final is not None else None,
            model=str(details["model"]) if "model" in details else None,
            usage=final.usage if final is not None else Usage(),
            timings=timings,
            details=details,
        )
        exchange = Exchange(
            turn.conversation_id,
            (assistant,),
            conversation=opened.conversation,
            usage=self._usage(opened, final, elapsed),
            audit=(self._audit(opened, assistant),),
            title=title_of(user.content),
        )
        if opened.is_new_message:
            question = MessageRecord(
                turn.conversation_id, user.parent_id, "user", user.content, user.id, created_at=user.created_at
            )
            exchange.messages = (question, assistant)
        await self._journal.record(exchange)
        return Stored(exchange.conversation_id, user, _message_of(assistant), error)

    @staticmethod
    def _usage(opened: OpenTurn, final: Final | None, elapsed_ms: float) -> tuple[UsageRecord, ...]:
        if final is None or final.source.kind not in ("model", "demo_model"):
            return ()
        return (
            UsageRecord(
                "llm",
                actor_id=opened.owner_id,
                source=opened.turn.source,
                model=final.source.id,
                prompt_tokens=final.usage.prompt_tokens,
                completion_tokens=final.usage.completion_tokens,
                cost_usd=final.usage.cost_usd,
                duration_ms=round(elapsed_ms, 1),
                conversation_id=opened.turn.conversation_id,
            ),
        )

    @staticmethod
    def _audit(opened: OpenTurn, assistant: MessageRecord) -> AuditEvent:
        source = assistant.source
        return AuditEvent(
            "chat.reply",
            "conversation",
            opened.turn.conversation_id,
            {
                "source": opened.turn.source,
                "message_id": assistant.id,
                "status": assistant.status,
                "answered_by": source.id if source else "",
            },
        )


def _timings(timings: Timings) -> dict[str, Any]:
    found: dict[str, Any] = {
        "total_ms": round(timings.total_ms, 1),
        "stages": {name: round(value, 1) for name, value in timings.stages.items()},
    }
    if timings.first_token_ms is not None:
        found["first_token_ms"] = round(timings.first_token_ms, 1)
    return found


def _message_of(record: MessageRecord) -> Message:
    return Message(
        record.id,
        record.conversation_id,
        record.parent_id,
        record.role,
        record.content,
        record.status,
        record.error_code,
        record.source,
        record.model,
        record.usage,
        record.timings,
        record.details,
        record.created_at,
    )
