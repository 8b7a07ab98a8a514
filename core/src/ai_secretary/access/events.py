"""Facts about access, for whoever holds something that depends on it (open sockets, other processes)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(slots=True, frozen=True)
class AccessChanged:
    """A user, session or key was created, changed or deleted. Another process rereads it by `Access.apply`."""

    kind: Literal["user", "session", "key"]
    id: str


@dataclass(slots=True, frozen=True)
class SessionRevoked:
    """A session is over (logged out, revoked, its user deactivated): close what it has open, at once."""

    session_id: str
