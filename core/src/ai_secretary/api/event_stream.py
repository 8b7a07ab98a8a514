"""Server-sent events of the administration: JSON events, comments that keep the connection alive, `[DONE]` at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

KEEP_ALIVE_S = 15.0
DONE = b"data: [DONE]\n\n"
_ALIVE = b": keep-alive\n\n"
_encoder = msgspec.json.Encoder(enc_hook=str)
_closing: set[asyncio.Future[None]] = set()

Close = Callable[[], Awaitable[None]]


def event(data: dict[str, Any]) -> bytes:
    """One event: whole UTF-8 text on one line."""
    return b"data: " + _encoder.encode(data) + b"\n\n"


async def kept_alive(events: AsyncIterator[bytes], *, every_s: float = KEEP_ALIVE_S) -> AsyncIterator[bytes]:
    """`events` with a comment wherever nothing came for `every_s` seconds. Closing it closes `events`."""
    pending: asyncio.Task[bytes] | None = None
    try:
        while True:
            pending = asyncio.ensure_future(_next(events))
            while not (await asyncio.wait({pending}, timeout=every_s))[0]:
                yield _ALIVE
            try:
                item = pending.result()
            except StopAsyncIteration:
                return
            yield item
    finally:
        await _undisturbed(_close(pending, events))


async def _next(events: AsyncIterator[bytes]) -> bytes:
    return await anext(events)


async def _close(pending: asyncio.Task[bytes] | None, events: AsyncIterator[bytes]) -> None:
    if pending is not None and not pending.done():
        pending.cancel()
        await asyncio.wait({pending})
    await events.aclose()  # type: ignore[attr-defined]  # an async generator


async def _undisturbed(closing: Awaitable[None]) -> None:
    """The server cancels a request whose client has left, at every wait anew; closing goes on all the same."""
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closing.discard)
    await asyncio.shield(task)


class EventStreamResponse(StreamingResponse):
    """Calls `close` when the response is over, also if the client left before the first event was asked for."""

    def __init__(self, events: AsyncIterator[bytes], *, close: Close | None = None, every_s: float = KEEP_ALIVE_S) -> None:
        self._events = kept_alive(events, every_s=every_s)
        super().__init__(
            self._events,
            media_type="text/event-stream; charset=utf-8",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await _undisturbed(self._end())

    async def _end(self) -> None:
        await self._events.aclose()  # type: ignore[attr-defined]  # an async generator
        if self._close is not None:
            await self._close()
