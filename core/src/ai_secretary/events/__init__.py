"""The event bus: facts that happened, told to whoever listens in this process."""

from __future__ import annotations

import asyncio
import inspect
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

E = TypeVar("E")
Handler = Callable[[E], Awaitable[None] | None]


class EventBus:
    """Handlers are called one after another in a task of their own: a publisher never waits, a failing handler fails alone."""

    def __init__(self) -> None:
        self._handlers: dict[type[Any], list[tuple[str, Handler[Any]]]] = defaultdict(list)
        self._tasks: set[asyncio.Task[None]] = set()

    def subscribe(self, event_type: type[E], handler: Handler[E], *, owner: str = "core") -> Callable[[], None]:
        """Call `handler` for every published event of exactly this type. Returns a function that ends the subscription."""
        entry = (owner, handler)
        self._handlers[event_type].append(entry)

        def unsubscribe() -> None:
            if entry in self._handlers[event_type]:
                self._handlers[event_type].remove(entry)

        return unsubscribe

    def unsubscribe_owner(self, owner: str) -> None:
        """End every subscription of a plugin."""
        for entries in self._handlers.values():
            entries[:] = [entry for entry in entries if entry[0] != owner]

    def publish(self, event: object) -> None:
        """Tell all listeners, without waiting for them. Must be called on the event loop."""
        handlers = self._handlers.get(type(event))
        if not handlers:
            return
        task = asyncio.get_running_loop().create_task(self._deliver(event, tuple(handlers)), name=f"event:{type(event).__name__}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, event: object, handlers: tuple[tuple[str, Handler[Any]], ...]) -> None:
        for owner, handler in handlers:
            try:
                result = handler(event)
                if inspect.isawaitable(result):
                    await result
            except Exception:
                log.exception("event_handler_failed", event_type=type(event).__name__, owner=owner)

    async def drain(self) -> None:
        """Wait until everything published so far is delivered (shutdown, tests)."""
        while self._tasks:
            await asyncio.gather(*tuple(self._tasks))
