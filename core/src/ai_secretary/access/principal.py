"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["admin", "operator", "viewer"]
ROLES: tuple[Role, ...] = get_args(Role)

V1_SCOPES = ("v1:chat", "v1:audio", "v1:embeddings", "v1:models")
"""What an API key may be given on the OpenAI-compatible API; `*` stands for all of them, present and future."""


def role_allows(role: Role, permission: str) -> bool:
    """`area:read|write|admin` by role. On `/v1`, listing models reads; everything else makes the engines work, so it writes."""
    if role == "admin":
        return True
    area, _, action = permission.partition(":")
    if area == "v1":
        action = "read" if action == "models" else "write"
    return action == "read" or (action == "write" and role == "operator")


@dataclass(frozen=True, slots=True)
class Principal:
    """A known caller. Users get permissions from their role, keys exactly from their scopes."""

    id: str
    kind: Literal["user", "key", "system"]
    name: str
    role: Role | None = None
    scopes: frozenset[str] = frozenset()
    session_id: str | None = None
    per_minute: int | None = None
    """A key's own limit of requests per minute, besides the limits of the route groups."""
    monthly_tokens: int | None = None
    """A key's limit of model tokens per calendar month (UTC)."""

    def allows(self, permission: str) -> bool:
        """`permission` is `area:read|write|admin`, or one of the `/v1` scopes."""
        if self.kind == "key":
            return permission in self.scopes or ("*" in self.scopes and permission.startswith("v1:"))
        if self.kind == "system":
            return True
        return self.role is not None and role_allows(self.role, permission)


SYSTEM = Principal("system", "system", "system")
"""The installation itself: start-up, schedules, the command line."""
