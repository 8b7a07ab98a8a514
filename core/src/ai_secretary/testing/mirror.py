"""A local server of large files, with the weaknesses of real networks on order: plain addresses, and a model hub's protocol.

A hub's large files are told by a redirect to a "CDN" that carries their SHA-256, as on the real one; small ones come directly.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from aiohttp import web

PIECE = 64 * 1024
LARGE = (".gguf", ".bin", ".onnx", ".safetensors")
"""Endings of the files that a hub keeps as large ones."""


@dataclass(slots=True, frozen=True)
class FileRequest:
    """A request for a file. `where`: the hub itself, the place that it redirects to, or a plain address."""

    where: Literal["hub", "cdn", "plain"]
    path: str
    headers: dict[str, str]
    """Names in lower case."""
    revision: str = ""
    """That was asked for at the hub."""

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


@dataclass
class Mirror:
    """`files[path] = bytes`; of a hub, `path` is `owner/name/file`. Troubles in lists are used up by the requests for bytes."""

    files: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, Callable[[], object]] = field(default_factory=dict)
    """JSON answers by path, made anew at each request."""
    url: str = ""
    revision: str = "0123456789abcdef0123456789abcdef01234567"
    requests: list[FileRequest] = field(default_factory=list)
    only: str = ""
    """Troubles concern only paths that end so."""
    cut_after: list[int] = field(default_factory=list)
    """Send that many bytes, then break the connection off."""
    statuses: list[int] = field(default_factory=list)
    """Answer with this status instead of bytes; 0: none."""
    corrupt: list[bool] = field(default_factory=list)
    """Send a wrong last byte."""
    gate: asyncio.Event | None = None
    """Bodies stop half-way until it is set."""
    delay: float = 0.0
    """Seconds between pieces of 64 KiB."""
    piece_sent: asyncio.Event = field(default_factory=asyncio.Event)
    ranges: bool = True
    """Whether Range is understood."""
    etags: bool = True
    wrong_digest: bool = False
    """The hub lies about digests."""
    redirect_to: str = ""
    """Where the hub redirects to, if not to this server."""
    token: str = ""
    """A key that the hub wants, and nobody else."""
    down: bool = False
    """Every request is answered with 503."""

    def asked(self, ending: str = "") -> list[str]:
        """The Range header of each request for bytes (empty where there was none) of paths with this ending."""
        return [request.range for request in self._for_bytes() if request.path.endswith(ending)]

    def _for_bytes(self) -> list[FileRequest]:
        return [request for request in self.requests if request.where != "hub" or not request.path.endswith(LARGE)]

    def sha256(self, path: str) -> str:
        """The digest that the hub tells."""
        return hashlib.sha256(b"other" if self.wrong_digest else self.files[path]).hexdigest()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._answer_when_up])
        app.router.add_get("/{owner}/{name}/resolve/{revision}/{file:.+}", self._resolve)
        app.router.add_get("/cdn/{path:.+}", self._cdn)
        app.router.add_get("/api/models", self._search)
        app.router.add_get("/api/models/{owner}/{name}/revision/{revision}", self._repository)
        app.router.add_get("/{path:.+}", self._plain)
        return app

    @web.middleware
    async def _answer_when_up(self, request: web.Request, handler: Callable[[web.Request], object]) -> web.StreamResponse:
        if self.down:
            return web.Response(status=503)
        return await handler(request)  # type: ignore[misc, no-any-return]

    def _note(self, where: Literal["hub", "cdn", "plain"], path: str, request: web.Request) -> None:
        headers = {key.lower(): value for key, value in request.headers.items()}
        self.requests.append(FileRequest(where, path, headers, request.match_info.get("revision", "")))

    async def _resolve(self, request: web.Request) -> web.StreamResponse:
        path = "{owner}/{name}/{file}".format(**request.match_info)
        self._note("hub", path, request)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        if path not in self.files or request.match_info["revision"] not in {"main", self.revision}:
            return web.Response(status=404)
        if not path.endswith(LARGE):
            return await self._send(request, path)
        headers = {"location": self.redirect_to or f"/cdn/{path}", "x-linked-etag": f'"{self.sha256(path)}"'}
        return web.Response(status=302, headers=headers)

    async def _cdn(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        self._note("cdn", path, request)
        return await self._send(request, path)

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"]
        if path in self.documents:
            return web.json_response(self.documents[path]())
        self._note("plain", path, request)
        return await self._send(request, path)

    async def _send(self, request: web.Request, path: str) -> web.StreamResponse:
        troubled = path.endswith(self.only)
        if troubled and self.statuses and (trouble := self.statuses.pop(0)):
            return web.Response(status=trouble, headers={"retry-after": "0"})
        body = self.files.get(path)
        if body is None:
            return web.Response(status=404)
        etag = f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'
        start, status = 0, 200
        wanted = request.headers.get("range", "")
        same = request.headers.get("if-range", etag) == etag
        if self.ranges and wanted.startswith("bytes=") and same:
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            status = 206
            if start >= len(body):
                return web.Response(status=416, headers={"content-range": f"bytes */{len(body)}"})
        response = web.StreamResponse(status=status)
        response.content_length = len(body) - start
        if self.etags:
            response.headers["etag"] = etag
        if status == 206:
            response.headers["content-range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        cut = self.cut_after.pop(0) if troubled and self.cut_after else None
        corrupt = bool(troubled and self.corrupt and self.corrupt.pop(0))
        gate = self.gate if troubled else None
        await response.prepare(request)
        sent = 0
        for offset in range(start, len(body), PIECE):
            piece = body[offset : offset + PIECE]
            if corrupt and offset + PIECE >= len(body):
                piece = piece[:-1] + bytes([piece[-1] ^ 1])
            if cut is not None and sent + len(piece) > cut:
                await response.write(piece[: max(cut - sent, 0)])
                await asyncio.sleep(0.05)
                assert request.transport is not None
                request.transport.close()
                return response
            if gate is not None and sent > len(body) // 2:
                await gate.wait()
            await response.write(piece)
            sent += len(piece)
            self.piece_sent.set()
            if troubled and self.delay:
                await asyncio.sleep(self.delay)
        await response.write_eof()
        return response

    async def _search(self, request: web.Request) -> web.Response:
        text = request.query.get("search", "").lower()
        repositories = sorted({path.rpartition("/")[0] for path in self.files if path.count("/") == 2})
        return web.json_response(
            [
                {
                    "id": repository,
                    "downloads": 10,
                    "likes": 2,
                    "gated": False,
                    "lastModified": "2025-01-02T03:04:05Z",
                    "tags": ["gguf", "license:mit"],
                }
                for repository in repositories
                if text in repository.lower()
            ]
        )

    async def _repository(self, request: web.Request) -> web.Response:
        prefix = "{owner}/{name}/".format(**request.match_info)
        found = {path.removeprefix(prefix): path for path in self.files if path.startswith(prefix)}
        if not found:
            return web.json_response({"error": "Repository not found"}, status=404)
        siblings: list[dict[str, object]] = []
        for name, path in found.items():
            size = len(self.files[path])
            large = {"lfs": {"sha256": self.sha256(path), "size": size, "pointerSize": 134}} if path.endswith(LARGE) else {}
            siblings.append({"rfilename": name, "size": size, **large})
        return web.json_response({"id": prefix.rstrip("/"), "sha": self.revision, "siblings": siblings})


@asynccontextmanager
async def running_mirror() -> AsyncIterator[Mirror]:
    """A mirror on a free port of this machine."""
    mirror = Mirror()
    runner = web.AppRunner(mirror.application(), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mirror.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield mirror
    finally:
        if mirror.gate is not None:
            mirror.gate.set()
        await runner.cleanup()
