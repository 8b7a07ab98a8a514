"""Pages that follow events of the house: no polling, nothing when nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from nicegui import Client

from ai_secretary.events import EventBus

E = TypeVar("E")
CALM_SECONDS = 1.0


def on_bus(client: Client, bus: EventBus, event_type: type[E], handler: Callable[[E], object], *, calm: bool = True) -> None:
    """Call `handler` in the page's context for events of this type until the page is closed.

    `calm`: at most once per second, with the latest event; a burst costs one redraw.
    """
    waiting: list[E] = []
    timer: list[asyncio.TimerHandle] = []
    last = [0.0]

    def run() -> None:
        timer.clear()
        if not waiting or client.is_deleted:
            return
        event = waiting.pop()
        waiting.clear()
        last[0] = asyncio.get_running_loop().time()
        client.safe_invoke(lambda: handler(event))

    def received(event: E) -> None:
        if client.is_deleted:
            unsubscribe()
            return
        if not calm:
            client.safe_invoke(lambda: handler(event))
            return
        waiting.append(event)
        if not timer:
            loop = asyncio.get_running_loop()
            timer.append(loop.call_later(max(0.0, last[0] + CALM_SECONDS - loop.time()), run))

    unsubscribe = bus.subscribe(event_type, received, owner="ui")
    client.on_delete(unsubscribe)
