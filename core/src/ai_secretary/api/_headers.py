"""Security headers. What an answer already has is left alone, so a route may say something stricter, or its own."""

from __future__ import annotations

import gzip
import re
import secrets
from collections.abc import Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

Headers = list[tuple[bytes, bytes]]

API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
"""Answers of the API are data: a browser that is made to show one must run, load and frame nothing."""

ASSET_POLICY = b"default-src 'self'; frame-ancestors 'none'"
"""Scripts, styles and workers below `/ui`; the policy matters only to workers and to files opened by themselves."""


def page_policy(nonce: str) -> bytes:
    """The policy of a page of the web app, as strict as NiceGUI 3.18 can run under. Each relaxation and its reason:

    - `script-src 'nonce-…'`: the page carries an import map and two inline module scripts that differ per page. The nonce is put
      on the page's own script tags (see `PagePolicy`); text of users cannot become one, because NiceGUI escapes `<` in it.
    - `script-src 'unsafe-eval'`: NiceGUI evaluates event handlers (`js_handler`), `:props` and `ui.run_javascript`, and Vue
      compiles templates in the browser. What is evaluated comes from our server over the page's own socket.
    - `style-src 'unsafe-inline'`: Quasar and NiceGUI set style attributes on nearly every element and add style tags at run time.
    - `img-src`/`media-src data: blob:`: recorded and synthesised sound is played from memory, small images are inlined.
    - `worker-src blob:`: audio worklets and editors start workers from memory.

    `'self'` in `connect-src` covers the page's WebSocket (CSP level 3). No host other than our own appears anywhere;
    `script-src-attr 'none'` keeps `onerror=` and the like dead.
    """
    return (
        f"default-src 'self'; script-src 'self' 'nonce-{nonce}' 'unsafe-eval'; script-src-attr 'none'; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; "
        "connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; frame-src 'self'; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ).encode()


_COMMON: Headers = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"permissions-policy",
        b"microphone=(self), camera=(), geolocation=(), payment=(), usb=(), serial=(), midi=(), display-capture=()",
    ),
]
API_HEADERS: Headers = [*_COMMON, (b"content-security-policy", API_POLICY), (b"cache-control", b"no-store")]
ASSET_HEADERS: Headers = [*_COMMON, (b"content-security-policy", ASSET_POLICY)]
STRICT_TRANSPORT: tuple[bytes, bytes] = (b"strict-transport-security", b"max-age=31536000")


def add_missing(headers: Headers, wanted: Iterable[tuple[bytes, bytes]]) -> None:
    """Append those headers whose names are not there yet."""
    present = {name for name, _value in headers}
    headers.extend(item for item in wanted if item[0] not in present)


_SCRIPT_TAG = re.compile(rb"<script(?=[\s>])")
_SMALLEST_GZIP = 1024
_GZIP_LEVEL = 4
_NOT_OURS = frozenset({b"content-length", b"content-encoding", b"transfer-encoding"})


class PagePolicy:
    """Gives every HTML page below `/ui` a nonce of its own and the policy that goes with it.

    Pages are asked for uncompressed (so that their script tags can be found) and compressed here again.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not any(name == b"accept" and b"text/html" in value for name, value in scope["headers"]):
            await self.app(scope, receive, send)
            return
        gzipped = any(name == b"accept-encoding" and b"gzip" in value for name, value in scope["headers"])
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        start: Message | None = None
        parts: list[bytes] = []

        async def hold(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_plain_html(message):
                start = message
            elif start is not None and message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    await _send_page(start, b"".join(parts), send, gzipped=gzipped)
            else:
                await send(message)

        await self.app(scope, receive, hold)


def _is_plain_html(message: Message) -> bool:
    headers = dict(message["headers"])
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


async def _send_page(start: Message, body: bytes, send: Send, *, gzipped: bool) -> None:
    nonce = secrets.token_urlsafe(16)
    body = _SCRIPT_TAG.sub(b'<script nonce="' + nonce.encode() + b'"', body)
    headers: Headers = [(name, value) for name, value in start["headers"] if name not in _NOT_OURS]
    add_missing(headers, [(b"content-security-policy", page_policy(nonce))])
    if gzipped and len(body) >= _SMALLEST_GZIP:
        # Level 4 takes about a millisecond for a page of 100 kB.
        body = gzip.compress(body, _GZIP_LEVEL)
        headers.append((b"content-encoding", b"gzip"))
    if not any(name == b"vary" and b"accept-encoding" in value.lower() for name, value in headers):
        headers.append((b"vary", b"Accept-Encoding"))
    headers.append((b"content-length", b"%d" % len(body)))
    await send({**start, "headers": headers})
    await send({"type": "http.response.body", "body": body})
