"""One door to the dialogue: `reply` runs a turn, `converse` also keeps the conversation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Literal

from ai_secretary.channels import Capabilities
from ai_secretary.config import Settings
from ai_secretary.conversations import Conversations, Journal, Visibility
from ai_secretary.dialogue import stage as orders
from ai_secretary.dialogue.answering import Budget, ModelStage, QuotaStage
from ai_secretary.dialogue.events import AnswerSource, Final, ReplyEvent, TextDelta, Timings, ToolCall
from ai_secretary.dialogue.personas import Personas
from ai_secretary.dialogue.pipeline import CORE, Pipeline
from ai_secretary.dialogue.routing import CandidateStatus, ModelRouter
from ai_secretary.dialogue.storing import Keeper, Stored
from ai_secretary.dialogue.turn import Overrides, Person, Turn
from ai_secretary.dialogue.turn_locks import TurnLocks
from ai_secretary.dialogue.turns import OpenTurn, TurnOpener
from ai_secretary.errors import ProviderError, SecretaryError
from ai_secretary.ids import new_id
from ai_secretary.plugins.guard import Guard
from ai_secretary.plugins.registrars import StageEntry
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Preferences


class Dialogue:
    def __init__(
        self,
        registries: Registries,
        preferences: Preferences,
        personas: Personas,
        router: ModelRouter,
        conversations: Conversations,
        journal: Journal,
        *,
        settings: Settings | None = None,
        guard: Guard | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.personas = personas
        self.router = router
        self._guard = guard or Guard()
        self._locks = TurnLocks()
        self._keeper = Keeper(journal)
        self._opener = TurnOpener(
            conversations,
            timezone=settings.timezone if settings is not None else "UTC",
            language=settings.language if settings is not None else "ru",
        )
        self.pipeline = Pipeline(
            registries,
            [
                StageEntry(orders.QUOTA, "quota", CORE, "Quota", QuotaStage(budget)),
                StageEntry(orders.MODEL, "model", CORE, "Model", ModelStage(registries, preferences, personas, router)),
            ],
            self._guard,
        )

    def model_status(self) -> list[CandidateStatus]:
        """Which model answers now, and what is wrong with those that do not."""
        return self.router.model_status()

    # ---- answering ----

    async def reply(self, turn: Turn) -> AsyncIterator[ReplyEvent]:
        """Run the pipeline; nothing is stored. The last event is `Final`. Raises `SecretaryError`: an error is never text.

        Closing the iterator stops the model at once.
        """
        started = time.perf_counter()
        first_ms: float | None = None
        final: Final | None = None
        stream: Any = await self.pipeline.run(turn)
        try:
            async for event in stream:
                if isinstance(event, Final):
                    final = event
                    break
                if first_ms is None:
                    first_ms = (time.perf_counter() - started) * 1000
                yield event
        finally:
            if hasattr(stream, "aclose"):
                await stream.aclose()
        total_ms = (time.perf_counter() - started) * 1000
        if final is None:
            if first_ms is None:
                raise ProviderError("The answer was empty", code="bad_reply", hint="Ask again.")
            final = Final(AnswerSource("phrase"))
        part = "llm" if final.source.kind in ("model", "demo_model") else "rule"
        stages = final.timings.stages or {part: total_ms}
        yield replace(final, timings=Timings(first_ms, total_ms, stages))

    async def converse(
        self,
        conversation_id: str | None,
        text: str,
        *,
        person: Person,
        source: str,
        owner_id: str | None = None,
        viewer: Visibility | None = None,
        source_id: str | None = None,
        overrides: Overrides | None = None,
        capabilities: Capabilities | None = None,
        parent_id: str | Literal["head"] | None = "head",
        edit_of: str | None = None,
        regenerate: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        delivered: Callable[[], str] | None = None,
    ) -> AsyncIterator[ReplyEvent | Stored]:
        """A turn of a kept conversation; None begins one. `edit_of`: reword an earlier message; `regenerate`: answer it again.

        Both make a branch beside the old one. Turns of one conversation are answered one after another. After the reply's `Final`
        comes `Stored`; on failure `Stored` with the error, which is then raised. If the caller stops early, what it has received
        so far is stored as cut off; `delivered` may tell more exactly what the person really got (heard, on the phone).
        """
        target = conversation_id or new_id("conv")
        async with self._locks.turn(target):
            opened = await self._opener.open(
                conversation_id,
                text,
                new_conversation_id=target,
                person=person,
                source=source,
                owner_id=owner_id,
                viewer=viewer,
                source_id=source_id,
                overrides=overrides,
                capabilities=capabilities,
                parent_id=parent_id,
                edit_of=edit_of,
                regenerate=regenerate,
                metadata=metadata,
            )
            stream = self._stream(opened, delivered)
            try:
                async for item in stream:
                    yield item
            finally:
                await stream.aclose()  # type: ignore[attr-defined]  # an async generator

    @asynccontextmanager
    async def begin(
        self, conversation_id: str | None, text: str, **options: Any
    ) -> AsyncIterator[tuple[OpenTurn, AsyncIterator[ReplyEvent | Stored]]]:
        """`converse` in two steps, for those who show the person's message before the reply begins. Same options."""
        delivered = options.pop("delivered", None)
        target = conversation_id or new_id("conv")
        async with self._locks.turn(target):
            opened = await self._opener.open(conversation_id, text, new_conversation_id=target, **options)
            stream = self._stream(opened, delivered)
            try:
                yield opened, stream
            finally:
                await stream.aclose()  # type: ignore[attr-defined]  # an async generator

    async def _stream(self, opened: OpenTurn, delivered: Callable[[], str] | None) -> AsyncIterator[ReplyEvent | Stored]:
        received: list[str] = []
        calls: list[ToolCall] = []
        final: Final | None = None
        error: SecretaryError | None = None
        stream: Any = self.reply(opened.turn)
        try:
            async for event in stream:
                if isinstance(event, TextDelta):
                    received.append(event.text)
                elif isinstance(event, ToolCall):
                    calls.append(event)
                elif isinstance(event, Final):
                    # Stored before the end is told: who has seen `Final` may rely on the exchange being there.
                    final = event
                    break
                yield event
        except SecretaryError as caught:
            error = caught
        except (GeneratorExit, asyncio.CancelledError):
            await stream.aclose()  # the model stops before anything else happens
            text = delivered() if delivered is not None else "".join(received)
            await self._keeper.store_cancelled(opened, text)
            raise
        except Exception as caught:
            self._guard.report(CORE, "dialogue", caught)
            error = ProviderError("The answer failed inside the server", code="internal_error", hint="The server's log says why.")
        finally:
            await stream.aclose()
        if error is not None:
            stored = await self._keeper.store(opened, "", "error", error=error, partial="".join(received))
            yield stored
            raise error
        assert final is not None, "reply() ends with Final or raises"
        stored = await self._keeper.store(opened, "".join(received), "ok", final=final, calls=calls)
        yield final
        yield stored


__all__ = ["Dialogue", "OpenTurn", "Stored"]
