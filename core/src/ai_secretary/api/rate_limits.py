"""Rate limits before the FastAPI application, by group of routes.

The gateway of the hot path stands beside this layer and counts for itself.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ai_secretary.access import Access, RateLimits, identity_of
from ai_secretary.api._headers import Headers
from ai_secretary.api.problems import error_body
from ai_secretary.api.security import identify
from ai_secretary.context import request_context
from ai_secretary.errors import RateLimited

_GROUPS: tuple[tuple[str, str | None], ...] = (
    # A log-in counts for itself, per address and per account (see `Access.login`).
    ("/admin/auth/login", None),
    ("/admin/auth/refresh", "auth"),
    ("/v1/audio/speech", "tts"),
    ("/v1/audio/voices", "default"),
    ("/v1/audio/", "stt"),
    ("/v1/chat", "chat"),
    ("/v1/completions", "chat"),
    ("/v1/responses", "chat"),
    ("/v1/embeddings", "chat"),
    ("/chat", "chat"),
    ("/process_call", "chat"),
    ("/tts", "tts"),
    ("/stt", "stt"),
    ("/admin/tts/stream", "tts"),
    ("/admin/tts/test", "tts"),
    ("/admin/stt/transcribe", "stt"),
    ("/admin/stt/test", "stt"),
    ("/health", None),
    ("/metrics", None),
    ("/ui", None),
    ("/favicon.ico", None),
)
_CHAT_ACTIONS = ("/stream", "/messages", "/regenerate", "/edit")


def group_of(method: str, path: str) -> str | None:
    """The group of limits of a route; None: it is not limited here."""
    for prefix, group in _GROUPS:
        if path.startswith(prefix) and (prefix.endswith("/") or path == prefix or path[len(prefix)] == "/"):
            return group
    if method == "POST" and path.startswith(("/admin/chat/", "/admin/llm/")) and path.endswith(_CHAT_ACTIONS):
        return "chat"
    return "default"


class RateLimitLayer:
    """Counts requests per group: by caller where one is known, by address otherwise; and finds out who calls."""

    def __init__(self, app: ASGIApp, access: Access, limits: RateLimits) -> None:
        self.app = app
        self._access = access
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        group = group_of(scope.get("method", "GET"), scope["path"])
        if group is None:
            await self.app(scope, receive, send)
            return
        principal, _problem = identify(self._access, scope)
        context = request_context.get()
        address = context.address if context is not None else (scope.get("client") or ("",))[0]
        identity = identity_of(principal, address)
        try:
            standing = await self._limits.check(group, identity, principal.per_minute if principal is not None else None)
        except RateLimited as error:
            await self._refuse(error, scope, receive, send)
            return
        if context is not None and kind == "http":
            # A socket lives on, and what is asked over it is counted by whoever answers.
            context.counted = (group, identity)
        if standing is None or kind == "websocket":
            await self.app(scope, receive, send)
            return
        told: Headers = [
            (b"ratelimit-limit", b"%d" % standing.limit),
            (b"ratelimit-remaining", b"%d" % standing.remaining),
            (b"ratelimit-reset", b"%d" % (standing.reset_s + 0.999)),
        ]

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *told]}
            await send(message)

        await self.app(scope, receive, answer)

    @staticmethod
    async def _refuse(error: RateLimited, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "too many requests"})
            return
        status, headers, body = error_body(error, scope["path"])
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
