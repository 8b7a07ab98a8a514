"""Styles, scripts and fonts as files of this server: bundled, compressed once, cached for ever under their hash."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

_FOLDER = files("ai_secretary_ui").joinpath("assets")
_YEAR = "public, max-age=31536000, immutable"
_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "woff2": "font/woff2", "svg": "image/svg+xml"}
LAYERED = ("quasar.css", "components.css", "parts.css", "shell.css", "pages.css")
"""In layer `components`: our classes beat Quasar's and NiceGUI's, Tailwind's utilities still beat ours. The order matters."""
UNLAYERED = ("fonts.css", "tokens.css")
SCRIPTS = ("shell.js", "media.js")


@dataclass(slots=True, frozen=True)
class Asset:
    body: bytes
    packed: bytes | None
    media_type: str


def _read(*path: str) -> str:
    return _FOLDER.joinpath(*path).read_text("utf-8")


def stylesheet() -> str:
    """All styles in one file."""
    plain = "\n".join(_read("css", name) for name in UNLAYERED)
    layered = "\n".join(_read("css", name) for name in LAYERED)
    return f"{plain}\n@layer components{{\n{layered}\n}}\n"


class Assets:
    """An ASGI app that serves the files from memory at `/ui/assets/<hash>/<name>`."""

    def __init__(self) -> None:
        from ai_secretary_ui.pictures import FAVICON

        raw = {"ui.css": stylesheet().encode(), "ui.js": "\n".join(_read("js", name) for name in SCRIPTS).encode()}
        raw["favicon.svg"] = FAVICON.encode()
        for item in _FOLDER.joinpath("fonts").iterdir():
            if item.name.endswith(".woff2"):
                raw[item.name] = item.read_bytes()
        digest = hashlib.sha256()
        for name in sorted(raw):
            digest.update(name.encode() + raw[name])
        self.version = digest.hexdigest()[:12]
        self._assets = {name: self._asset(name, body) for name, body in raw.items()}

    @staticmethod
    def _asset(name: str, body: bytes) -> Asset:
        kind = name.rpartition(".")[2]
        return Asset(body, None if kind == "woff2" else gzip.compress(body, 9, mtime=0), _TYPES[kind])

    def url(self, name: str) -> str:
        return f"/ui/assets/{self.version}/{name}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = str(scope["path"]).rpartition("/")[2]
        asset = self._assets.get(name)
        response: Response
        if asset is None:
            response = PlainTextResponse("not found", 404)
        else:
            accepted = Headers(scope=scope).get("accept-encoding", "")
            packed = asset.packed is not None and "gzip" in accepted
            body = asset.packed if packed and asset.packed is not None else asset.body
            response = Response(body, media_type=asset.media_type)
            response.headers["cache-control"] = _YEAR
            response.headers["x-content-type-options"] = "nosniff"
            if asset.packed is not None:
                response.headers["vary"] = "accept-encoding"
            if packed:
                response.headers["content-encoding"] = "gzip"
        await response(scope, receive, send)
