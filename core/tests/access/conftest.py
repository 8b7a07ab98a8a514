"""Access on real databases, with quick Argon2 parameters where a test is not about them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher

from ai_secretary.access import Access, Passwords, RateLimits
from ai_secretary.audit import AuditEvent, AuditLog
from ai_secretary.events import EventBus
from ai_secretary.storage import Database, Vault

QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"


class Recorder:
    """An audit sink that keeps events, in order."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def submit(self, event: AuditEvent) -> None:
        self.events.append(event)

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


MakeAccess = Callable[..., Access]


@pytest.fixture
def make_access(vault: Vault, bus: EventBus, recorder: Recorder) -> MakeAccess:
    def make(database: Database, *, auth: str = "10/minute", vault: Vault = vault) -> Access:
        limits = RateLimits({"auth": auth, "default": "off"})
        return Access(database, vault, bus, AuditLog(database, recorder), limits, passwords=Passwords(QUICK))

    return make


@pytest.fixture
async def access(database: Database, make_access: MakeAccess) -> Access:
    """Access on SQLite and on PostgreSQL, with one administrator."""
    access = make_access(database)
    await access.load()
    await access.users.create("admin", PASSWORD, "admin")
    return access


@pytest.fixture
async def sqlite_access(sqlite_database: Database, make_access: MakeAccess) -> Access:
    access = make_access(sqlite_database)
    await access.load()
    await access.users.create("admin", PASSWORD, "admin")
    return access
