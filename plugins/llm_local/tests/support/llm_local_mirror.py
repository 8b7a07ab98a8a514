"""A local hub: repositories of files over the hub's protocol, with redirects to a "CDN", ranges, and troubles on demand."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Mirror:
    """`files[(repo, name)] = bytes`. The troubles are lists that requests for bytes use up one by one."""

    files: dict[tuple[str, str], bytes] = field(default_factory=dict)
    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    cut_after: list[int] = field(default_factory=list)
    """Send that many bytes, then break the connection off."""
    statuses: list[int] = field(default_factory=list)
    """Answer with this status instead of bytes."""
    corrupt: list[bool] = field(default_factory=list)
    """Send wrong bytes."""
    tell_digest: bool = True
    wrong_digest: bool = False
    ranges: bool = True
    etags: bool = True
    delay: float = 0.0
    """Seconds between pieces of 64 KiB."""
    piece_sent: asyncio.Event = field(default_factory=asyncio.Event)
    redirect_to: str = ""
    token: str = ""
    """Files need this key, at the hub only."""

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/{owner}/{name}/resolve/{revision}/{file:.+}", self._resolve)
        app.router.add_get("/cdn/{owner}/{name}/{file:.+}", self._cdn)
        app.router.add_get("/api/models", self._search)
        app.router.add_get("/api/models/{owner}/{name}", self._repository)
        return app

    def _find(self, request: web.Request) -> bytes | None:
        return self.files.get((f"{request.match_info['owner']}/{request.match_info['name']}", request.match_info["file"]))

    async def _resolve(self, request: web.Request) -> web.Response:
        self.requests.append(("hub", {key.lower(): value for key, value in request.headers.items()}))
        body = self._find(request)
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return web.Response(status=401)
        if body is None:
            return web.Response(status=404)
        revision = request.match_info["revision"]
        headers = {"location": self.redirect_to or "/cdn" + request.path.replace(f"/resolve/{revision}", "")}
        if self.tell_digest:
            digest = hashlib.sha256(b"other" if self.wrong_digest else body).hexdigest()
            headers |= {"x-linked-etag": f'"{digest}"', "x-linked-size": str(len(body))}
        return web.Response(status=302, headers=headers)

    async def _cdn(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(("cdn", {key.lower(): value for key, value in request.headers.items()}))
        body = self._find(request)
        if body is None:
            return web.Response(status=404)
        if self.statuses and (status := self.statuses.pop(0)):
            return web.Response(status=status, headers={"retry-after": "0"})
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
        cut = self.cut_after.pop(0) if self.cut_after else None
        corrupt = bool(self.corrupt and self.corrupt.pop(0))
        await response.prepare(request)
        sent = 0
        for offset in range(start, len(body), 65536):
            piece = body[offset : offset + 65536]
            if corrupt and offset + 65536 >= len(body):
                piece = piece[:-1] + bytes([piece[-1] ^ 1])
            if cut is not None and sent + len(piece) > cut:
                await response.write(piece[: max(cut - sent, 0)])
                await asyncio.sleep(0.05)
                assert request.transport is not None
                request.transport.close()
                return response
            await response.write(piece)
            sent += len(piece)
            self.piece_sent.set()
            if self.delay:
                await asyncio.sleep(self.delay)
        await response.write_eof()
        return response

    async def _search(self, request: web.Request) -> web.Response:
        text = request.query.get("search", "").lower()
        names = sorted({repo for repo, _ in self.files if text in repo.lower()})
        return web.json_response(
            [
                {
                    "id": repo,
                    "downloads": 10,
                    "likes": 2,
                    "gated": False,
                    "lastModified": "2025-01-02T03:04:05Z",
                    "tags": ["gguf", "license:mit"],
                }
                for repo in names
            ]
        )

    async def _repository(self, request: web.Request) -> web.Response:
        repo = f"{request.match_info['owner']}/{request.match_info['name']}"
        found = {name: body for (owner, name), body in self.files.items() if owner == repo}
        if not found:
            return web.json_response({"error": "Repository not found"}, status=404)
        siblings = [{"rfilename": "README.md", "size": 3}]
        siblings += [
            {"rfilename": name, "size": len(body), "lfs": {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}}
            for name, body in found.items()
        ]
        return web.json_response({"id": repo, "siblings": siblings})
