"""A local mirror of the voice catalogue: `voices.json`, files with ranges, and troubles on demand."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

PIECE = 16 * 1024


@dataclass
class Mirror:
    """`files[path] = bytes`. Each trouble is a list that the requests for files use up one by one."""

    files: dict[str, bytes] = field(default_factory=dict)
    voices: dict[str, Any] = field(default_factory=dict)
    url: str = ""
    ranges: list[str] = field(default_factory=list)
    """The Range header of every request for a file, empty where there was none."""
    cut_after: list[int] = field(default_factory=list)
    """Send so many bytes, then break the connection off."""
    statuses: list[int] = field(default_factory=list)
    corrupt: list[bool] = field(default_factory=list)
    honours_ranges: bool = True
    delay: float = 0.0
    """Seconds between pieces of 16 KiB."""
    down: bool = False

    def add_voice(self, key: str, model: bytes, config: bytes, *, sha256: bool = False) -> None:
        language, name, quality = key.split("-")
        family, region = language.split("_")
        folder = f"{family}/{language}/{name}/{quality}"
        card = b"# Model card\n\n* License: CC0\n"
        files = {f"{folder}/{key}.onnx": model, f"{folder}/{key}.onnx.json": config, f"{folder}/MODEL_CARD": card}
        self.files |= files
        self.voices[key] = {
            "key": key,
            "name": name,
            "language": {
                "code": language,
                "family": family,
                "region": region,
                "name_native": {"ru": "Русский"}.get(family, family),
            },
            "quality": quality,
            "num_speakers": 1,
            "speaker_id_map": {},
            "files": {
                path: {"size_bytes": len(body), "md5_digest": hashlib.md5(body, usedforsecurity=False).hexdigest()}
                | ({"sha256_digest": hashlib.sha256(body).hexdigest()} if sha256 else {})
                for path, body in files.items()
            },
            "aliases": [],
        }

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/voices.json", self._list)
        application.router.add_get("/{path:.+}", self._file)
        return application

    async def _list(self, _request: web.Request) -> web.Response:
        return web.Response(status=503) if self.down else web.json_response(text=json.dumps(self.voices))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        body = self.files.get(request.match_info["path"])
        wanted = request.headers.get("Range", "")
        self.ranges.append(wanted)
        if self.statuses:
            return web.Response(status=self.statuses.pop(0))
        if body is None:
            return web.Response(status=404)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.honours_ranges else 0
        if self.corrupt and self.corrupt.pop(0):
            body = body[:-1] + bytes([body[-1] ^ 1])
        response = web.StreamResponse(status=206 if start else 200)
        if start:
            response.headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        response.content_length = len(body) - start
        await response.prepare(request)
        cut = self.cut_after.pop(0) if self.cut_after else None
        sent = 0
        for position in range(start, len(body), PIECE):
            piece = body[position : position + PIECE]
            if cut is not None and sent + len(piece) > cut:
                assert request.transport is not None
                request.transport.abort()
                return response
            await response.write(piece)
            sent += len(piece)
            if self.delay:
                await asyncio.sleep(self.delay)
        await response.write_eof()
        return response
