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
_ending: set[asyncio.Future[None]] = set()

Close = Callable[[], Awaitable[None]]


def event(data: dict[str, Any]) -> bytes:
    """One event: whole UTF-8 text on one line."""
    return b"data: " + _encoder.encode(data) + b"\n\n"


class KeptAlive(AsyncIterator[bytes]):
    """Events with a comment wherever nothing came for `every_s` seconds. Closing it closes them."""

    def __init__(self, events: AsyncIterator[bytes], *, every_s: float = KEEP_ALIVE_S) -> None:
        self._events: Any = events
        self._every_s = every_s
        self._pending: asyncio.Task[bytes] | None = None

    def __aiter__(self) -> KeptAlive:
        return self

    async def __anext__(self) -> bytes:
        if self._pending is None:
            self._pending = asyncio.ensure_future(self._next())
        if not (await asyncio.wait({self._pending}, timeout=self._every_s))[0]:
            return _ALIVE
        done, self._pending = self._pending, None
        return done.result()

    async def _next(self) -> bytes:
        found: bytes = await anext(self._events)
        return found

    async def aclose(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.cancel()
            await asyncio.wait({pending})
        await self._events.aclose()


class EventStreamResponse(StreamingResponse):
    """Calls `close` when the response is over, also if the client left before the first event was asked for."""

    def __init__(self, events: AsyncIterator[bytes], *, close: Close | None = None, every_s: float = KEEP_ALIVE_S) -> None:
        self._events = KeptAlive(events, every_s=every_s)
        self._close = close
        super().__init__(
            self._events,
            media_type="text/event-stream; charset=utf-8",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # The server cancels a request whose client has left, at every wait anew; the end goes on all the same.
            task = asyncio.ensure_future(self._end())
            _ending.add(task)
            task.add_done_callback(_ending.discard)
            await asyncio.shield(task)

    async def _end(self) -> None:
        await self._events.aclose()
        if self._close is not None:
            await self._close()
