"""What the services of this room share."""

from __future__ import annotations

import asyncio
import unicodedata
from dataclasses import dataclass, field
from typing import Literal

from ai_secretary.access.directory import Directory
from ai_secretary.access.events import AccessChanged, SessionRevoked
from ai_secretary.access.limits import RateLimits
from ai_secretary.access.passwords import Passwords
from ai_secretary.audit import AuditEvent, AuditLog
from ai_secretary.events import EventBus
from ai_secretary.storage import Database


def account_name(username: str) -> str:
    """The form in which names are stored and compared. Never raises; what a database cannot hold becomes U+FFFD."""
    return unicodedata.normalize("NFKC", storable(username)).strip().casefold()


def storable(text: str) -> str:
    """Text of a stranger (a name, a browser's name) without NUL and lone surrogates, which PostgreSQL cannot store."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


@dataclass(slots=True)
class AccessParts:
    database: Database
    bus: EventBus
    audit: AuditLog
    limits: RateLimits
    directory: Directory
    passwords: Passwords
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Changes of users happen one after another, so that two admins cannot demote each other in the same moment."""

    def changed(self, kind: Literal["user", "session", "key"], row_id: str) -> None:
        self.bus.publish(AccessChanged(kind, row_id))

    def session_ended(self, session_id: str) -> None:
        """Forget a session at once and tell whoever holds something open for it."""
        self.directory.drop_session(session_id)
        self.bus.publish(SessionRevoked(session_id))
        self.changed("session", session_id)

    def record(self, action: str, resource: str, resource_id: str = "", **details: object) -> None:
        self.audit.record(AuditEvent(action, resource, resource_id, dict(details)))
