"""What every request goes through, as plain ASGI: two layers and no request objects.

`HttpLayer` is the outermost: request id, client's address, CORS, body limit, security headers, metrics, access log, last resort
for errors. `RateLimitLayer` (see `rate_limits`) stands before the FastAPI application only.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ai_secretary.api._headers import API_HEADERS, ASSET_HEADERS, STRICT_TRANSPORT, Headers, PagePolicy, add_missing
from ai_secretary.api._origins import Cors, TrustedProxies
from ai_secretary.api.problems import error_body, internal_error
from ai_secretary.api.rate_limits import RateLimitLayer
from ai_secretary.api.security import SAFE_METHODS, is_own_origin
from ai_secretary.context import RequestContext, request_context
from ai_secretary.errors import Forbidden, SecretaryError, TooLarge
from ai_secretary.i18n import LANGUAGES
from ai_secretary.ids import new_id
from ai_secretary.logs import request_lines
from ai_secretary.metrics import UNMATCHED, Metrics

if TYPE_CHECKING:
    from ai_secretary.config import Settings

log = structlog.get_logger("ai_secretary.http")

ErrorAnswer = Callable[[SecretaryError], Awaitable[None]]

UI = "/ui"
_REQUEST_ID = re.compile(rb"^[A-Za-z0-9._:-]{1,64}$")
_QUIET = ("/health", "/metrics", "/ui/_nicegui", "/favicon.ico")
"""Asked for all the time; logged at debug level."""
_CLIENT_GONE = 499


def _under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(prefix + "/")


@lru_cache(maxsize=256)
def _language(accept: bytes) -> str | None:
    """The first of our languages in an Accept-Language header, by weight."""
    choices = []
    for position, part in enumerate(accept.decode("latin-1").split(",")[:20]):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().lower().partition("-")[0]
        weight = re.search(r"q=([01](?:\.\d{1,3})?)", parameters)
        if language in LANGUAGES:
            choices.append((-(float(weight[1]) if weight else 1.0), position, language))
    return min(choices)[2] if choices else None


class HttpLayer:
    """`own_cors`: path prefixes that decide themselves who may call from a browser (the public widget).

    `body_limits`: path prefixes with another limit than `max_body_mb`, in bytes. `templates`: exact paths that are answered
    before FastAPI and may be metrics labels.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        metrics: Metrics,
        *,
        own_cors: Collection[str] = ("/widget",),
        body_limits: Mapping[str, int] | None = None,
        templates: Collection[str] = ("/v1/chat/completions", "/v1/models", "/v1/audio/speech"),
    ) -> None:
        self.app = app
        self._pages = PagePolicy(app)
        self._metrics = metrics
        self._proxies = TrustedProxies(settings.trusted_proxies)
        self._cors = Cors(settings.cors_origins)
        self._own_cors = tuple(own_cors)
        self._body_limit = settings.max_body_mb * 1024 * 1024
        self._body_limits = dict(body_limits or {})
        self._templates = frozenset(templates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def _enter(self, scope: Scope) -> tuple[RequestContext, bytes, bytes, bytes]:
        """The request's context, and its Origin, Content-Length and Host headers."""
        request_id = origin = length = host = forwarded = proto = b""
        language: str | None = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                request_id = value
            elif name == b"origin":
                origin = value
            elif name == b"content-length":
                length = value
            elif name == b"host":
                host = value
            elif name == b"accept-language":
                language = _language(value[:200])
            elif name == b"x-forwarded-for":
                # Several headers are one list, in their order (RFC 9110, section 5.3).
                forwarded = forwarded + b"," + value if forwarded else value
            elif name == b"x-forwarded-proto":
                proto = value
        client = scope.get("client")
        address = client[0] if client else ""
        if self._proxies and self._proxies.trusts(address):
            if proto in (b"http", b"https"):
                secure = proto == b"https"
                scope["scheme"] = ("wss" if secure else "ws") if scope["type"] == "websocket" else proto.decode()
            address = self._proxies.client(address, forwarded.decode("latin-1"))
            scope["client"] = (address, 0)
        known = request_id.decode() if request_id and _REQUEST_ID.match(request_id) else new_id("req")
        return RequestContext(known, address, None, language), origin, length, host

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        context, origin, length, host = self._enter(scope)
        token = request_context.set(context)
        path: str = scope["path"]
        method: str = scope["method"]
        of_ui = _under(path, UI)
        own_cors = path.startswith(self._own_cors)
        extra: Headers = [(b"x-request-id", context.request_id.encode())]
        if origin and not own_cors:
            extra.append((b"vary", b"Origin"))
            if self._cors.allows(origin):
                extra += self._cors.headers(origin)
        if scope["scheme"] == "https":
            extra.append(STRICT_TRANSPORT)
        wanted = ASSET_HEADERS if of_ui else API_HEADERS
        status = 0
        finished = too_large = False

        async def answer(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                if too_large:
                    await refuse(self._too_large(path))
                    return
                status = message["status"]
                headers: Headers = list(message["headers"])
                add_missing(headers, wanted)
                headers += extra
                message = {**message, "headers": headers}
            elif too_large and finished:
                return
            elif not message.get("more_body"):
                finished = True
            await send(message)

        async def refuse(error: SecretaryError) -> None:
            nonlocal status, finished
            status, headers, body = error_body(error, path)
            add_missing(headers, wanted)
            await send({"type": "http.response.start", "status": status, "headers": headers + extra})
            await send({"type": "http.response.body", "body": body})
            finished = True

        taken = 0
        limit = self._limit_of(path)

        async def limited() -> Message:
            nonlocal taken, too_large
            message = await receive()
            if message["type"] == "http.request":
                taken += len(message.get("body", b""))
                if taken > limit:
                    too_large = True
                    raise HTTPException(413)
            return message

        self._metrics.in_flight.inc()
        try:
            if origin and method == "OPTIONS" and not own_cors and self._is_preflight(scope):
                status = await self._preflight(scope, origin, extra, send, refuse)
            elif length and not (length.isdigit() and len(length) < 16 and int(length) <= limit):
                await refuse(self._too_large(path))
            elif (
                of_ui
                and method not in SAFE_METHODS
                and origin
                and not is_own_origin(scope, origin.decode("latin-1"), host.decode())
            ):
                await refuse(_foreign_page())
            else:
                # With a length the server itself lets no more through; without one we count.
                await (self._pages if of_ui else self.app)(scope, receive if length else limited, answer)
        except asyncio.CancelledError:
            status = status or _CLIENT_GONE
            raise
        except Exception as error:
            if too_large and not status:
                await refuse(self._too_large(path))
            elif status and status != 500:
                # The answer has begun: all that can be done is to cut it, so that nobody takes it for whole.
                log.error("answer_cut", path=path, exc_info=error)
                status = 500
                raise
            elif not status:
                log.error("unhandled_error", path=path, exc_info=error)
                await refuse(internal_error())
            # Else FastAPI has answered 500 and `problems` has logged why.
        finally:
            self._metrics.in_flight.dec()
            seconds = time.perf_counter() - began
            # An application that never answered, because its client went away.
            status = status or _CLIENT_GONE
            self._metrics.request(method, self._route(scope, path), status, seconds)
            self._log(context, path, method, status, seconds)
            request_context.reset(token)

    def _limit_of(self, path: str) -> int:
        for prefix, limit in self._body_limits.items():
            if path.startswith(prefix):
                return limit
        return self._body_limit

    def _too_large(self, path: str) -> TooLarge:
        return TooLarge(
            "The request is larger than {limit} MiB",
            hint="Send less at once, or raise SECRETARY_MAX_BODY_MB.",
            limit=self._limit_of(path) // (1024 * 1024),
        )

    @staticmethod
    def _is_preflight(scope: Scope) -> bool:
        return any(name == b"access-control-request-method" for name, _value in scope["headers"])

    async def _preflight(self, scope: Scope, origin: bytes, extra: Headers, send: Send, refuse: ErrorAnswer) -> int:
        headers = self._cors.preflight(origin, scope)
        if headers is None:
            await refuse(
                Forbidden(
                    "This website may not call the API",
                    code="origin_not_allowed",
                    hint="Add its origin to SECRETARY_CORS_ORIGINS.",
                )
            )
            return 403
        headers += [extra[0], (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})
        return 204

    def _route(self, scope: Scope, path: str) -> str:
        """The route's template, for metrics: bounded by the number of routes."""
        if path in self._templates:
            return path
        if _under(path, UI):
            return UI
        context = scope.get("fastapi", {}).get("effective_route_context") if "fastapi" in scope else None
        route = (getattr(context, "starlette_route", None) or context) if context is not None else scope.get("route")
        template = getattr(route, "path_format", None)
        return template if isinstance(template, str) and template else UNMATCHED

    @staticmethod
    def _log(context: RequestContext, path: str, method: str, status: int, seconds: float) -> None:
        quiet = status < 400 and path.startswith(_QUIET)
        caller = context.principal.id if context.principal is not None else None
        ms = round(seconds * 1000, 2)
        lines = request_lines()
        if lines is not None:
            if not quiet:
                level = "error" if status >= 500 else "info"
                lines.write(level, method, path[:300], status, ms, context.address, caller, context.request_id)
            return
        write = log.debug if quiet else log.error if status >= 500 else log.info
        write(
            "request",
            method=method,
            path=path[:300],
            status=status,
            ms=ms,
            address=context.address,
            caller=caller,
            request_id=context.request_id,
        )

    # -- WebSocket ---------------------------------------------------------------------------------------------------

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        context, origin, _length, host = self._enter(scope)
        path: str = scope["path"]
        # Browsers let any page open a WebSocket anywhere, with cookies: only our pages and allowed websites may.
        foreign = origin and not path.startswith(self._own_cors)
        if (
            foreign
            and not self._cors.allows(origin)
            and not is_own_origin(scope, origin.decode("latin-1"), host.decode("latin-1"))
        ):
            log.info("websocket_refused", path=path[:300], origin=origin.decode("latin-1")[:200], address=context.address)
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": "origin not allowed"})
            return
        token = request_context.set(context)
        self._metrics.socket_opened()
        try:
            await self.app(scope, receive, send)
        finally:
            self._metrics.socket_closed()
            log.debug("websocket", path=path[:300], seconds=round(time.perf_counter() - began, 3), address=context.address)
            request_context.reset(token)


def _foreign_page() -> Forbidden:
    return Forbidden("This request does not come from our own pages", code="cross_site_request")


__all__ = ["HttpLayer", "RateLimitLayer"]
