"""A mirror of the model hub and of the Vosk site: speaks their real protocols, with the weaknesses of real networks on order."""

from __future__ import annotations

import asyncio
import hashlib
import io
import stat
import zipfile
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

REVISION = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Mirror:
    """`repositories` by name, `archives` by model name. `cut_after`: bytes of a body after which the connection drops, once each
    time it is asked. `gate`: bodies stop half-way until it is set. `ranges`: whether Range is understood."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    archives: dict[str, bytes] = field(default_factory=dict)
    cut_after: list[int] = field(default_factory=list)
    gate: asyncio.Event | None = None
    ranges: bool = True
    wrong_digests: bool = False
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path, Range header) of every file that was asked for."""
    server: TestServer | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/api/models/{owner}/{name}/revision/main", self._model_info)
        app.router.add_get("/{owner}/{name}/resolve/{revision}/{file}", self._hub_file)
        app.router.add_get("/vosk/model-list.json", self._vosk_list)
        app.router.add_get("/vosk/{archive}.zip", self._vosk_archive)
        self.server = TestServer(app)
        await self.server.start_server()

    async def close(self) -> None:
        if self.gate is not None:
            self.gate.set()
        if self.server is not None:
            await self.server.close()

    @property
    def url(self) -> str:
        assert self.server is not None
        return str(self.server.make_url("")).rstrip("/")

    async def _model_info(self, request: web.Request) -> web.Response:
        files = self.repositories.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        if files is None:
            return web.json_response({"error": "Repository not found"}, status=404)
        siblings = []
        for name, data in files.items():
            item: dict[str, object] = {"rfilename": name, "size": len(data)}
            if name.endswith(".bin"):
                digest = "0" * 64 if self.wrong_digests else hashlib.sha256(data).hexdigest()
                item["lfs"] = {"sha256": digest, "size": len(data), "pointerSize": 134}
            siblings.append(item)
        return web.json_response({"sha": REVISION, "siblings": siblings})

    async def _hub_file(self, request: web.Request) -> web.StreamResponse:
        files = self.repositories[f"{request.match_info['owner']}/{request.match_info['name']}"]
        assert request.match_info["revision"] == REVISION
        return await self._send(request, files[request.match_info["file"]])

    async def _vosk_list(self, _request: web.Request) -> web.Response:
        listed = [
            {
                "name": name,
                "size": len(data),
                "md5": "0" * 32 if self.wrong_digests else hashlib.md5(data).hexdigest(),
                "obsolete": "false",
            }
            for name, data in self.archives.items()
        ]
        return web.json_response(listed)

    async def _vosk_archive(self, request: web.Request) -> web.StreamResponse:
        return await self._send(request, self.archives[request.match_info["archive"]])

    async def _send(self, request: web.Request, data: bytes) -> web.StreamResponse:
        asked = request.headers.get("Range", "")
        self.requests.append((request.path, asked))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        if start and start >= len(data):
            return web.Response(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
        body = data[start:]
        headers = {"Content-Length": str(len(body))}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        cut = self.cut_after.pop(0) if self.cut_after and len(body) > 100_000 else None
        piece = 64 * 1024
        for at in range(0, len(body), piece):
            if cut is not None and at >= cut:
                assert request.transport is not None
                request.transport.abort()
                return response
            if self.gate is not None and at > len(body) // 2 and len(body) > 100_000:
                await self.gate.wait()
            await response.write(body[at : at + piece])
        return response


def archive(entries: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            bundle.writestr(info, target)
    return out.getvalue()
