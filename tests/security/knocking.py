"""Ask an assembled application anything, by the plain ASGI protocol, and list what can be asked."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from starlette.types import ASGIApp, Message, Scope

METHODS = ("get", "post", "put", "patch", "delete")
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
ADDRESS = "203.0.113.9"
"""The address that a test's requests come from."""


@dataclass(slots=True, frozen=True)
class Operation:
    method: str
    path: str
    """With `{parameters}`."""
    permission: str | None = None
    bodies: tuple[str, ...] = ()
    """Media types that it takes."""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def filled(self, value: str = "x1", **named: str) -> str:
        return PARAMETER.sub(lambda found: named.get(found[1], value), self.path)


def operations(document: Mapping[str, Any]) -> list[Operation]:
    """Everything in an OpenAPI document."""
    return [
        Operation(
            method.upper(),
            path,
            item.get("x-permission"),
            tuple((item.get("requestBody") or {}).get("content", {})),
        )
        for path, methods in document["paths"].items()
        for method, item in methods.items()
        if method in METHODS
    ]


def routes_of(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, str, Any]]:
    """(method, path, route) of everything that FastAPI answers itself, in its order; sockets have the method "WS"."""
    for route in routes:
        if (included := getattr(route, "original_router", None)) is not None:
            yield from routes_of(included.routes, prefix + route.include_context.prefix)
        elif hasattr(route, "endpoint"):
            methods = getattr(route, "methods", None)
            for method in sorted(methods - {"HEAD", "OPTIONS"}) if methods else ["WS"]:
                yield method, prefix + route.path, route


@dataclass(slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    scope: Scope
    """As the application left it: `route` is what was found for the path."""
    ended: bool = True
    """False: the answer went on when the test hung up."""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _scope(kind: str, path: str, headers: Mapping[str, str], address: str) -> Scope:
    target, _, query = path.partition("?")
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": unquote(target),
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"secretary.test"), *((name.lower().encode(), value.encode()) for name, value in headers.items())],
        "client": (address, 40_000),
        "server": ("secretary.test", 80),
        "state": {},
    }


async def knock(
    web: ASGIApp,
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    body: bytes | None = None,
    json_body: object = ...,
    seconds: float = 20.0,
    address: str = ADDRESS,
) -> Answer:
    """One request. An answer that has not ended after `seconds` is hung up on, and what came so far is given."""
    headers = dict(headers or {})
    if json_body is not ...:
        body = json.dumps(json_body).encode()
        headers.setdefault("content-type", "application/json")
    if body is not None:
        headers.setdefault("content-length", str(len(body)))
    scope = _scope("http", path, headers, address)
    scope["method"] = method
    hung_up = asyncio.Event()
    told: list[Message] = []
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if not sent:
            sent = True
            return {"type": "http.request", "body": body or b"", "more_body": False}
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        told.append(message)

    running = asyncio.ensure_future(web(scope, receive, send))
    done, _ = await asyncio.wait({running}, timeout=seconds)
    hung_up.set()
    if not done:
        await asyncio.wait({running}, timeout=5)
        if not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=5)
    starts = [message for message in told if message["type"] == "http.response.start"]
    if not starts:
        if running.done() and not running.cancelled() and (error := running.exception()) is not None:
            raise error
        raise AssertionError(f"{method} {path}: no answer within {seconds:g} s")
    return Answer(
        starts[0]["status"],
        {name.decode().lower(): value.decode("latin-1") for name, value in starts[0]["headers"]},
        b"".join(message.get("body", b"") for message in told if message["type"] == "http.response.body"),
        scope,
        bool(done),
    )


async def knock_socket(web: ASGIApp, path: str, headers: Mapping[str, str] | None = None) -> list[str]:
    """Open a WebSocket and say nothing; the types of what the application sent."""
    told: list[str] = []
    incoming: asyncio.Queue[Message] = asyncio.Queue()
    incoming.put_nowait({"type": "websocket.connect"})

    async def send(message: Message) -> None:
        told.append(message["type"])

    scope = _scope("websocket", path, headers or {}, ADDRESS)
    scope["subprotocols"] = []
    running = asyncio.ensure_future(web(scope, incoming.get, send))
    done, _ = await asyncio.wait({running}, timeout=2)
    if not done:
        incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
        await asyncio.wait({running}, timeout=5)
    return told


def form_file(name: str, filename: str, content: bytes, fields: Mapping[str, str] | None = None) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a form with one file, whose name is sent as it stands."""
    edge = "edge-of-a-part"
    parts = [
        f'--{edge}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}\r\n'.encode()
        for field, value in (fields or {}).items()
    ]
    head = f'--{edge}\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n'
    parts.append(head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n")
    return b"".join(parts) + f"--{edge}--\r\n".encode(), {"content-type": f"multipart/form-data; boundary={edge}"}


def quoted(value: str) -> str:
    """For one segment of a path."""
    return quote(value, safe="")
