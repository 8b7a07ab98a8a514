"""HTTP/1.1 straight on an asyncio protocol: a parser, a pool of kept connections and nothing else.

An aiohttp client costs several times the processor time of the rest of a pass-through; this one costs about as much as the
parsing itself. TLS is verified with the system's authorities.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httptools

from ai_secretary.errors import InvalidInput
from ai_secretary.openai_wire.addresses import check_host, is_forbidden
from ai_secretary.openai_wire.transport import Timeouts, TransportFailed

_IDLE_SECONDS = 45.0
_MAX_IDLE = 128
_HIGH_WATER = 1024 * 1024
_MAX_HEAD = 128 * 1024


class _Connection(asyncio.Protocol):
    """One connection; serves one request at a time."""

    __slots__ = (
        "_deadline", "_head_size", "_loop", "_parser", "_paused", "_size", "_timer", "_until_eof", "_waiter",
        "alive", "done", "error", "head_done", "headers", "idle_since", "parts", "pool", "status", "touched", "transport",
    )  # fmt: skip

    def __init__(self, pool: DirectTransport) -> None:
        self.pool = pool
        self._loop = pool.loop
        self.transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._paused = False
        self._size = 0
        self._head_size = 0
        self._until_eof = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.parts: list[bytes] = []
        self.alive = True
        self.done = True
        self.head_done = False
        self.touched = False
        """Whether any byte of the present answer has arrived."""
        self.error: TransportFailed | None = None
        self.idle_since = 0.0

    # ---- asyncio ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport by construction

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive = False
        self._stop_timer()
        if self.done:
            self.pool.forget(self)
            return
        if exc is None and self.head_done and self._until_eof:
            self.done = True
        elif self.error is None:
            self.error = TransportFailed("cut", str(exc or "the server closed the connection"))
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self.done:
            # Bytes that nobody asked for: the connection cannot be trusted with the next request.
            self._abort()
            return
        self.touched = True
        if not self.head_done:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self.done:
                self.error = TransportFailed("garbage", str(error) or "not HTTP")
            self._abort()
        else:
            if not self.head_done and self._head_size > _MAX_HEAD:
                self.error = TransportFailed("garbage", "the head of the answer is too large")
                self._abort()
        self._wake()

    # ---- httptools ----

    def on_message_begin(self) -> None:
        if self.done:
            raise ValueError("a second answer to one request")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self.head_done = True
            chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
            self._until_eof = not chunked and "content-length" not in self.headers

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)
        self._size += len(body)
        if self._size > _HIGH_WATER and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if self.status < 200:  # 100 Continue, 103 Early Hints: the answer proper follows
            self.headers = {}
            return
        self.done = True
        if not self._parser.should_keep_alive():
            self.alive = False

    # ---- one request ----

    def send(self, data: bytes, body: bytes) -> None:
        assert self.transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self.status, self.headers, self.parts, self._size = 0, {}, [], 0
        self.done = self.head_done = self.touched = self._until_eof = False
        self.error = None
        self._head_size = 0
        if len(body) < 65536:
            self.transport.write(data + body)
        else:
            self.transport.write(data)
            self.transport.write(body)

    async def wait(self) -> None:
        """Until something happens. Sets `error` when the read timeout runs out."""
        loop = self._loop
        self._waiter = waiter = loop.create_future()
        self._deadline = loop.time() + self.pool.timeouts.read
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._check)
        await waiter

    def _check(self) -> None:
        self._timer = None
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._check)
            return
        self.error = TransportFailed("timeout", f"silent for {self.pool.timeouts.read:g} s")
        self._abort()
        self._wake()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _abort(self) -> None:
        self.alive = False
        self._stop_timer()
        if self.transport is not None:
            self.transport.abort()

    def take(self) -> bytes:
        parts = self.parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self.parts = []
        self._size = 0
        if self._paused and self.transport is not None:
            self._paused = False
            if self.alive:
                self.transport.resume_reading()
        return body

    def release(self) -> None:
        """Back into the pool if the answer was read to its end, closed at once otherwise."""
        if self.done and self.alive and self.error is None and not self._paused:
            self.pool.keep(self)
        else:
            self._abort()


class DirectResponse:
    """An answer of `DirectTransport`."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: _Connection) -> None:
        self._connection: _Connection | None = connection
        self.status = connection.status
        self.headers: Mapping[str, str] = connection.headers

    async def chunks(self) -> AsyncIterator[bytes]:
        connection = self._connection
        if connection is None:
            return
        try:
            while True:
                if connection.parts:
                    yield connection.take()
                elif connection.error is not None:
                    raise connection.error
                elif connection.done:
                    return
                else:
                    await connection.wait()
        finally:
            self.close()

    async def read(self, limit: int) -> bytes:
        connection = self._connection
        if connection is None:
            return b""
        try:
            if connection.done and connection.error is None:
                return self._limited(connection.take() if connection.parts else b"", limit)
            pieces: list[bytes] = []
            size = 0
            while True:
                if connection.parts:
                    piece = connection.take()
                    size += len(piece)
                    pieces.append(piece)
                    if size > limit:
                        raise TransportFailed("garbage", f"the answer is larger than {limit} bytes")
                elif connection.error is not None:
                    raise connection.error
                elif connection.done:
                    return b"".join(pieces)
                else:
                    await connection.wait()
        finally:
            self.close()

    @staticmethod
    def _limited(body: bytes, limit: int) -> bytes:
        if len(body) > limit:
            raise TransportFailed("garbage", f"the answer is larger than {limit} bytes")
        return body

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.release()


class DirectTransport:
    """Connections to one origin. `base_url` is checked at every connect (see `addresses`)."""

    def __init__(self, base_url: str, timeouts: Timeouts, *, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(base_url)
        if parts.hostname is None:
            raise InvalidInput("{url} is not an address of a server", url=base_url[:200], field="base_url")
        self._host = parts.hostname
        self._tls: ssl.SSLContext | None = (tls or ssl.create_default_context()) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        default_port = self._port == (443 if self._tls else 80)
        shown = f"[{self._host}]" if ":" in self._host else self._host
        self._host_header = shown if default_port else f"{shown}:{self._port}"
        self._prefix = parts.path.rstrip("/")
        self.timeouts = timeouts
        self.loop = asyncio.get_running_loop()
        self._idle: list[_Connection] = []
        self._closed = False
        self._heads: dict[tuple[str, str, int], tuple[Mapping[str, str], bytes]] = {}

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> DirectResponse:
        if self._closed:
            raise TransportFailed("connect", "the client is closed")
        head = self._head(method, target, headers) + b"content-length: %d\r\n\r\n" % len(body)
        while True:
            connection = self._reuse()
            fresh = connection is None
            if connection is None:
                connection = await self._connect()
            connection.send(head, body)
            try:
                while not connection.head_done and connection.error is None:
                    await connection.wait()
            except asyncio.CancelledError:
                connection.release()
                raise
            if connection.head_done:
                return DirectResponse(connection)
            connection.release()
            error = connection.error
            assert error is not None
            # A server may close a kept connection just when it is used again; nothing was answered, so ask once more.
            if fresh or connection.touched or error.kind != "cut":
                raise error

    def _head(self, method: str, target: str, headers: Mapping[str, str]) -> bytes:
        key = (method, target, id(headers))
        cached = self._heads.get(key)
        if cached is not None and cached[0] is headers:
            return cached[1]
        lines = [f"{method} {self._prefix}{target} HTTP/1.1", f"host: {self._host_header}", "accept-encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if any("\r" in line or "\n" in line for line in lines):
            raise InvalidInput("A header for the model server contains a line break", code="invalid_header")
        head = ("\r\n".join(lines) + "\r\n").encode("latin-1", "replace")
        if len(self._heads) > 32:
            self._heads.clear()
        self._heads[key] = (headers, head)
        return head

    def _reuse(self) -> _Connection | None:
        oldest = self.loop.time() - _IDLE_SECONDS
        while self._idle:
            connection = self._idle.pop()
            if connection.alive and connection.idle_since >= oldest:
                return connection
            if connection.alive:
                connection.alive = False
                if connection.transport is not None:
                    connection.transport.close()
        return None

    async def _connect(self) -> _Connection:
        try:
            async with asyncio.timeout(self.timeouts.connect):
                addresses = await self._resolve()
                errors: list[Exception] = []
                for family, address in addresses:
                    try:
                        _, connection = await self.loop.create_connection(
                            lambda: _Connection(self),
                            address,
                            self._port,
                            family=family,
                            ssl=self._tls,
                            server_hostname=self._host if self._tls else None,
                        )
                        return connection
                    except ssl.SSLError:
                        raise
                    except OSError as error:
                        errors.append(error)
                raise TransportFailed("connect", str(errors[-1]) if errors else "no address")
        except TimeoutError as error:
            raise TransportFailed("connect", f"no connection within {self.timeouts.connect:g} s") from error
        except ssl.SSLError as error:
            raise TransportFailed("tls", getattr(error, "verify_message", "") or error.reason or str(error)) from error

    async def _resolve(self) -> list[tuple[int, str]]:
        """(family, address) pairs; a forbidden address is refused here, whatever the name looked like when it was saved."""
        try:
            check_host(self._host)
            found = await self.loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise TransportFailed("name", self._host) from error
        except InvalidInput as error:
            raise TransportFailed("connect", error.message) from error
        addresses = [(int(entry[0]), str(entry[4][0])) for entry in found]
        if any(is_forbidden(address) for _, address in addresses):
            raise TransportFailed("connect", f"{self._host} leads to a forbidden address")
        return addresses

    def keep(self, connection: _Connection) -> None:
        if self._closed or len(self._idle) >= _MAX_IDLE:
            connection.alive = False
            if connection.transport is not None:
                connection.transport.close()
            return
        connection.idle_since = self.loop.time()
        self._idle.append(connection)

    def forget(self, connection: _Connection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)

    async def close(self) -> None:
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.alive = False
            if connection.transport is not None:
                connection.transport.close()
