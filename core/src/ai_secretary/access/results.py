"""What access gives back: log-ins, sessions, credentials that are shown once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ai_secretary.access.principal import Principal

Source = Literal["token", "key", "cookie"]


@dataclass(slots=True, frozen=True)
class Login:
    """What a log-in or a refresh gives. `refresh_token` is also what the session cookie holds."""

    access_token: str
    refresh_token: str
    expires_in: int
    """Seconds that the access token is good for."""
    principal: Principal


@dataclass(slots=True, frozen=True)
class SessionInfo:
    id: str
    user_id: str
    user_agent: str
    address: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime


@dataclass(slots=True, frozen=True)
class PrintedOnce:
    """A credential made at the first start, to be shown to the operator and then forgotten."""

    kind: Literal["password", "api_key"]
    name: str
    secret: str
