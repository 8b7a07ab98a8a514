"""The ordered stages of a turn. A plugin's stage that fails or hangs is passed over; the turn goes on without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from ai_secretary.dialogue.events import ReplyEvent
from ai_secretary.dialogue.stage import Next
from ai_secretary.dialogue.turn import Turn
from ai_secretary.errors import Forbidden, ProviderError, RateLimited, SecretaryError, Unavailable
from ai_secretary.plugins.guard import Guard
from ai_secretary.plugins.registrars import StageEntry
from ai_secretary.plugins.registries import Registries

DECIDE_S = 5.0
"""How long a plugin's stage may take to decide."""
CORE = "core"
REFUSALS = (RateLimited, Forbidden)
"""A stage may refuse a turn with these; anything else that it raises is a failure of the stage."""


class Pipeline:
    """Composed once per version of the registries."""

    def __init__(
        self, registries: Registries, builtin: Sequence[StageEntry], guard: Guard, *, decide_s: float = DECIDE_S
    ) -> None:
        self._registries = registries
        self._builtin = list(builtin)
        self._guard = guard
        self._decide_s = decide_s
        self._version = -1
        self._first: Next = _nobody

    def entries(self) -> list[StageEntry]:
        """All stages in the order in which a turn meets them, for display."""
        return sorted([*self._builtin, *self._registries.stages()], key=lambda entry: (entry.order, entry.id))

    async def run(self, turn: Turn) -> AsyncIterator[ReplyEvent]:
        """The reply's events. Raises `SecretaryError` when the turn is refused or cannot be answered."""
        if self._version != self._registries.version:
            version = self._registries.version
            self._first = self._compose()
            self._version = version
        return await self._first(turn)

    def _compose(self) -> Next:
        following: Next = _nobody
        for entry in reversed(self.entries()):
            following = self._plain(entry, following) if entry.owner == CORE else self._guarded(entry, following)
        return following

    @staticmethod
    def _plain(entry: StageEntry, following: Next) -> Next:
        async def call(turn: Turn) -> AsyncIterator[ReplyEvent]:
            return await entry.stage.handle(turn, following)

        return call

    def _guarded(self, entry: StageEntry, following: Next) -> Next:
        owner, what = entry.owner, f"stage {entry.id}"

        async def call(turn: Turn) -> AsyncIterator[ReplyEvent]:
            if self._guard.is_resting(owner, what):
                return await following(turn)
            guarded = _GuardedCall(self._guard, entry, what, following, turn, self._decide_s)
            return await guarded.decide()

        return call


async def _nobody(turn: Turn) -> AsyncIterator[ReplyEvent]:
    raise Unavailable("No stage answers this turn", code="no_stage")


class _GuardedCall:
    """One turn in one plugin stage."""

    __slots__ = (
        "_clock_runs",
        "_deadline",
        "_decide_s",
        "_entry",
        "_following",
        "_guard",
        "_inner",
        "_inner_error",
        "_turn",
        "_what",
    )

    def __init__(self, guard: Guard, entry: StageEntry, what: str, following: Next, turn: Turn, decide_s: float) -> None:
        self._guard = guard
        self._entry = entry
        self._what = what
        self._following = following
        self._turn = turn
        self._decide_s = decide_s
        self._deadline: asyncio.Timeout | None = None
        self._clock_runs = False
        self._inner: AsyncIterator[ReplyEvent] | None = None
        self._inner_error: SecretaryError | None = None

    async def decide(self) -> AsyncIterator[ReplyEvent]:
        untouched = replace(self._turn)  # a stage that fails half-way must not leave a half-changed turn behind
        try:
            async with asyncio.timeout(self._decide_s) as self._deadline:
                self._clock_runs = True
                try:
                    stream = await self._entry.stage.handle(self._turn, self._proceed)
                finally:
                    self._clock_runs = False
            if not hasattr(stream, "__aiter__"):
                raise TypeError(f"handle() returned {type(stream).__name__} instead of a stream")
        except REFUSALS:
            raise
        except Exception as error:
            if error is self._inner_error:
                raise  # it came through from a later stage
            if isinstance(error, TimeoutError):
                error = TimeoutError(f"no decision within {self._decide_s:g} s")
            self._guard.report(self._entry.owner, self._what, error)
            await _close(self._inner)
            self._turn = untouched
            return await self._following(untouched)
        if stream is self._inner:
            self._guard.succeeded(self._entry.owner, self._what)
            return stream
        return self._watched(aiter(stream), untouched)

    async def _proceed(self, turn: Turn) -> AsyncIterator[ReplyEvent]:
        """Later stages decide on their own time: the clock of this one stands still."""
        loop = asyncio.get_running_loop()
        deadline = self._deadline
        left: float | None = None
        if self._clock_runs and deadline is not None and (when := deadline.when()) is not None:
            left = when - loop.time()
            deadline.reschedule(None)
        try:
            self._inner = await self._following(turn)
        except SecretaryError as error:
            self._inner_error = error
            raise
        finally:
            if left is not None and deadline is not None and self._clock_runs:
                deadline.reschedule(loop.time() + left)
        return self._inner

    async def _watched(self, stream: AsyncIterator[ReplyEvent], untouched: Turn) -> AsyncIterator[ReplyEvent]:
        """A stream of the stage's own. Failing before its first event counts as not having answered."""
        began = False
        try:
            async for event in stream:
                began = True
                yield event
            if began:
                self._guard.succeeded(self._entry.owner, self._what)
                return
            failure: Exception = RuntimeError("the stream ended without an event")
        except SecretaryError as error:
            if isinstance(error, REFUSALS) or error is self._inner_error or self._inner is not None:
                raise  # the model's failure, seen through a stage that wraps its stream
            failure = error
        except Exception as error:
            failure = error
        finally:
            await _close(stream)
        self._guard.report(self._entry.owner, self._what, failure)
        if began:
            raise ProviderError(
                "The answer broke off: plugin {owner} failed", code="stage_failed", owner=self._entry.owner
            ) from failure
        await _close(self._inner)
        instead = await self._following(untouched)
        try:
            async for event in instead:
                yield event
        finally:
            await _close(instead)


async def _close(stream: Any) -> None:
    if stream is not None and hasattr(stream, "aclose"):
        await stream.aclose()
