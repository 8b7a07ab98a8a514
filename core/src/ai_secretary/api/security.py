"""Who asks, and may they: dependencies for endpoints, and the same for bare ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, cookie_parser
from starlette.types import Scope

from ai_secretary.access import Principal
from ai_secretary.context import RequestContext, request_context
from ai_secretary.errors import Forbidden, SecretaryError, Unauthenticated
from ai_secretary.ids import new_id

if TYPE_CHECKING:
    from ai_secretary.access import Access
    from ai_secretary.app import Application

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_IDENTITY = "secretary.identity"
_WANTED = frozenset({b"authorization", b"x-api-key", b"cookie", b"origin", b"sec-fetch-site", b"host"})


def relevant_headers(scope: Scope) -> dict[str, str]:
    """The headers that say who asks and from where; of a repeated one the first counts, cookies are joined."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        if name in _WANTED:
            key = name.decode()
            if key not in found:
                found[key] = value.decode("latin-1")
            elif key == "cookie":
                found[key] += "; " + value.decode("latin-1")
    return found


def is_same_origin(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether a browser sent this from our own pages. What only a browser would know (a cookie) is worth nothing without it.

    `Sec-Fetch-Site` cannot be set by scripts (W3C Fetch Metadata); older browsers send `Origin` with unsafe methods.
    """
    site = headers.get("sec-fetch-site")
    if site is not None and scope["type"] != "websocket":
        return site == "same-origin"
    origin = headers.get("origin")
    return origin is not None and is_own_origin(scope, origin, headers.get("host", ""))


def is_own_origin(scope: Scope, origin: str, host: str) -> bool:
    parts = urlsplit(origin)
    if parts.scheme not in ("http", "https") or not host or parts.netloc.lower() != host.lower():
        return False
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    # A proxy that ends TLS and is not in SECRETARY_TRUSTED_PROXIES lets us see plain HTTP behind an https page.
    return parts.scheme == scheme or parts.scheme == "https"


def identify(access: Access, scope: Scope) -> tuple[Principal | None, SecretaryError | None]:
    """Who sends this request, found once per request; and why a cookie was not believed."""
    known = scope.get(_IDENTITY)
    if known is not None:
        return cast(tuple[Principal | None, SecretaryError | None], known)
    headers = relevant_headers(scope)
    cookie = headers.get("cookie")
    principal, source = access.identify(headers, cookie_parser(cookie) if cookie else {})
    problem: SecretaryError | None = None
    if principal is not None and source == "cookie":
        unsafe = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
        if unsafe and not is_same_origin(scope, headers):
            principal = None
            problem = Forbidden(
                "This request does not come from our own pages",
                code="cross_site_request",
                hint="Send an access token or an API key in the Authorization header instead of the cookie.",
            )
    scope[_IDENTITY] = (principal, problem)
    if principal is not None:
        context = request_context.get()
        if context is None:
            context = RequestContext(new_id("req"), (scope.get("client") or ("",))[0])
            request_context.set(context)
        context.principal = principal
    return principal, problem


def unknown_caller(scope: Scope) -> Unauthenticated:
    """What to tell somebody whom we do not know, by whether they tried."""
    if {"authorization", "x-api-key"} & relevant_headers(scope).keys():
        return Unauthenticated(
            "The API key or access token is not valid",
            code="invalid_api_key",
            hint="It may have expired, been replaced or deleted. An administrator can make a new key.",
        )
    return Unauthenticated(
        "This needs a log-in or an API key", hint="Send Authorization: Bearer <API key or access token>.", code="unauthenticated"
    )


def authorize(access: Access, scope: Scope, permission: str) -> Principal:
    """The caller, if they may. Raises `Unauthenticated` or `Forbidden`."""
    principal, problem = identify(access, scope)
    if problem is not None:
        raise problem
    if principal is None:
        raise unknown_caller(scope)
    if not principal.allows(permission):
        raise Forbidden(
            "{who} may not do this: {permission} is needed",
            code="missing_permission",
            hint="An administrator can change the role of the user or the scopes of the key.",
            who=principal.name,
            permission=permission,
        )
    return principal


Dependency = Callable[..., Awaitable[Principal]]


@cache
def require(permission: str) -> Dependency:
    """A FastAPI dependency (HTTP and WebSocket) that gives the `Principal`, who has this permission.

    Credentials: `Authorization: Bearer` with an access token or an API key, `X-API-Key`, or the session cookie; with the cookie
    alone, unsafe methods and WebSockets must come from our own pages. The permission shows in OpenAPI as `x-permission`.
    """

    async def permitted(connection: HTTPConnection) -> Principal:
        return authorize(connection.app.state.secretary.access, connection.scope, permission)

    permitted.__name__ = f"require_{permission.replace(':', '_')}"
    mark_permission(permitted, permission)
    return permitted


async def optional_principal(connection: HTTPConnection) -> Principal | None:
    """A dependency for public routes that greet whom they know."""
    return identify(connection.app.state.secretary.access, connection.scope)[0]


async def secretary(connection: HTTPConnection) -> Any:
    """A dependency that gives the `Application`."""
    return connection.app.state.secretary


def application_of(connection: HTTPConnection) -> Application:
    """The application that serves this connection."""
    return cast("Application", connection.app.state.secretary)


OWN = "own"
"""Shown as the permission of routes about oneself: any log-in or key will do."""


def mark_permission(dependency: object, permission: str) -> None:
    """Say what a dependency asks for, for the OpenAPI document."""
    setattr(dependency, "permission", permission)  # noqa: B010 - a function has no such attribute for the type checker


def permission_of(dependency: object) -> str | None:
    """The permission that a dependency made by `require` asks for."""
    found = getattr(dependency, "permission", None)
    return found if isinstance(found, str) else None
