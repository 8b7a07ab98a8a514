"""What the client of a model server needs of HTTP: one request, an answer whose body comes in pieces, nothing else.

Two implementations: `direct` (httptools on a bare asyncio protocol: the hot path, no proxy) and `proxied` (aiohttp, for
providers that are reached through an HTTP proxy). Redirects are never followed: a POST with a key in it goes where the admin
said, or nowhere.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


class TransportFailed(Exception):
    """The connection failed. `kind`: `connect`, `name` (no such host), `tls`, `cut`, `timeout`, `garbage` (not HTTP)."""

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
        self.detail = detail


@dataclass(slots=True, frozen=True)
class Timeouts:
    """Seconds. `read` bounds the silence between two pieces of an answer; the first piece may take as long."""

    connect: float = 10.0
    read: float = 60.0


class Response(Protocol):
    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Lower-case names; of a repeated header the last."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises `TransportFailed`."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `TransportFailed` with kind `garbage` past `limit` bytes."""
        ...

    def close(self) -> None:
        """Give the connection back, or close it at once if the answer is not finished. Safe to call twice."""
        ...


class Transport(Protocol):
    """Connections to one server. Must be made and used on one event loop."""

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> Response:
        """Send a request, return when the head of the answer is in. `target` is a path with a query. Raises `TransportFailed`."""
        ...

    async def close(self) -> None: ...
