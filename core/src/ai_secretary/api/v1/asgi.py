"""Requests and answers on bare ASGI: no request objects, nothing allocated that is not needed."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

from ai_secretary.errors import InvalidInput, SecretaryError, TooLarge, Unavailable

T = TypeVar("T")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON: tuple[bytes, bytes] = (b"content-type", b"application/json")
PING_S = 10.0
"""A silent stream gets a comment this often: proxies cut what is silent for 15 to 60 seconds."""
_WATCH_AFTER_S = 0.25
_SHUTDOWN = "graceful shutdown"
"""In the message with which uvicorn cancels what is still running when the time for shutting down is over."""
_INFLATE_IN_THREAD = 64 * 1024


class UnsupportedEncoding(SecretaryError):
    status = 415
    default_code = "unsupported_encoding"


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


async def read_body(receive: Receive, limit: int, encoding: bytes, length: bytes) -> bytes:
    """The whole body, inflated. Raises `TooLarge` past `limit` bytes (before and after inflating), `ClientGone`."""
    if length and length.isdigit() and int(length) > limit:
        raise _too_large(limit)
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        parts = [body]
        size = len(body)
        while message.get("more_body"):
            message = await receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            size += len(part)
            if size > limit:
                raise _too_large(limit)
            parts.append(part)
        body = b"".join(parts)
    if len(body) > limit:
        raise _too_large(limit)
    if encoding and encoding != b"identity":
        if encoding not in {b"gzip", b"x-gzip"}:
            raise UnsupportedEncoding("The body's encoding is not supported", hint="Send it plain or as gzip.")
        if len(body) > _INFLATE_IN_THREAD:
            return await asyncio.to_thread(_inflate, body, limit)
        return _inflate(body, limit)
    return body


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidInput("The body is not valid gzip", code="invalid_gzip") from error
    if len(plain) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise InvalidInput("The gzip body is incomplete", code="invalid_gzip")
    return plain


def _too_large(limit: int) -> TooLarge:
    return TooLarge("The request body is larger than {n} MiB", n=limit // (1024 * 1024), code="request_too_large")


async def respond(send: Send, status: int, headers: Headers, body: bytes) -> None:
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Departure:
    """Cancels the request's own task when the client goes away. The watch begins after a moment: most requests are over by then.

    Use as `async with`; the block raises `ClientGone` in place of the cancellation.
    """

    __slots__ = ("_loop", "_receive", "_task", "_timer", "_watcher", "gone")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watcher: asyncio.Task[None] | None = None
        self.gone = False

    async def __aenter__(self) -> Departure:
        self._task = asyncio.current_task()
        self._timer = self._loop.call_later(_WATCH_AFTER_S, self._begin)
        return self

    def _begin(self) -> None:
        self._watcher = self._loop.create_task(self._watch(), name="v1:departure")

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
        if self._task is not None:
            self._task.cancel()

    def over(self) -> None:
        """Stop watching: the answer is complete, and what is left (storing it) must not be cancelled."""
        self._task = None
        if self._timer is not None:
            self._timer.cancel()
        if self._watcher is not None and not self._watcher.done():
            self._watcher.cancel()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        task = self._task
        self.over()
        if self.gone and kind is asyncio.CancelledError and task is not None:
            task.uncancel()
            raise ClientGone from error
        if kind is asyncio.CancelledError and task is not None and _SHUTDOWN in str(error):
            task.uncancel()
            raise Unavailable("The server is stopping", code="server_stopping", hint="Ask again in a moment.") from error


@asynccontextmanager
async def closed_after(items: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """`items`, closed at the end of the block however it ends: closing a model's stream stops the model."""
    try:
        yield items
    finally:
        close = getattr(items, "aclose", None)
        if close is not None:
            await close()


class EventStream:
    """A server-sent answer: begins late enough for errors to be HTTP errors, and keeps a silent connection alive."""

    __slots__ = ("_busy", "_headers", "_last", "_loop", "_ping", "_ping_s", "_send", "_timer", "_whole", "started")

    def __init__(self, send: Send, headers: Headers, ping_s: float = PING_S) -> None:
        self._send = send
        self._headers = headers
        self._loop = asyncio.get_running_loop()
        self._ping_s = ping_s
        self._last = self._loop.time()
        self._busy = False
        self._whole = True
        """Whether the bytes sent so far end with a whole event, so that a comment may follow."""
        self._ping: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(ping_s, self._due)
        self.started = False

    async def begin(self) -> None:
        if not self.started:
            self.started = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    async def write(self, data: bytes) -> None:
        """Send bytes of events; the answer begins with the first."""
        if self._ping is not None:
            await self._ping
        self._busy = True
        try:
            if not self.started:
                await self.begin()
            await self._send({"type": "http.response.body", "body": data, "more_body": True})
        finally:
            self._busy = False
        self._whole = data.endswith((b"\n\n", b"\r\n\r\n"))
        self._last = self._loop.time()

    def _due(self) -> None:
        silent = self._loop.time() - self._last
        if silent < self._ping_s - 0.01:
            self._timer = self._loop.call_later(self._ping_s - silent, self._due)
            return
        self._timer = self._loop.call_later(self._ping_s, self._due)
        if not self._busy and self._whole and self._ping is None:
            self._ping = self._loop.create_task(self._comment(), name="v1:keep-alive")

    async def _comment(self) -> None:
        try:
            await self.begin()
            await self._send({"type": "http.response.body", "body": b": keep-alive\n\n", "more_body": True})
            self._last = self._loop.time()
        finally:
            self._ping = None

    def stop(self) -> None:
        """No more comments. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._ping is not None:
            self._ping.cancel()

    async def end(self) -> None:
        self.stop()
        await self.begin()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
