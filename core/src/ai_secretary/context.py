"""The request that is being served, for whoever needs to know who asks (audit, logs, translations)."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_secretary.access import Principal


@dataclass(slots=True)
class RequestContext:
    """Set once per request (or socket event); `principal` is filled in when the caller is known."""

    request_id: str
    address: str = ""
    principal: Principal | None = None
    language: str | None = None
    """Language that the caller asked for (`ru`, `en`), if any."""
    counted: tuple[str, str] | None = None
    """Group and identity under which the HTTP layer has counted this request against the rate limits."""


request_context: ContextVar[RequestContext | None] = ContextVar("request_context", default=None)


def current_request() -> RequestContext | None:
    return request_context.get()
