"""Turns of one conversation are answered one after another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from ai_secretary.errors import Conflict

WAITING_TURNS = 4
"""Turns that may wait for the one that is being answered in the same conversation."""
WAIT_S = 60.0


@dataclass(slots=True)
class _TurnLock:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class TurnLocks:
    """Holds only conversations that are being answered right now."""

    def __init__(self, *, waiting: int = WAITING_TURNS, wait_s: float = WAIT_S) -> None:
        self._waiting = waiting
        self._wait_s = wait_s
        self._locks: dict[str, _TurnLock] = {}

    @asynccontextmanager
    async def turn(self, conversation_id: str) -> AsyncIterator[None]:
        """Wait for one's turn. Raises `Conflict` (`conversation_busy`) when too many wait, or too long."""
        lock = self._locks.get(conversation_id)
        if lock is None:
            lock = self._locks[conversation_id] = _TurnLock()
        elif lock.users > self._waiting:
            raise _busy()
        lock.users += 1
        try:
            try:
                async with asyncio.timeout(self._wait_s):
                    await lock.lock.acquire()
            except TimeoutError as error:
                raise _busy() from error
            try:
                yield
            finally:
                lock.lock.release()
        finally:
            lock.users -= 1
            if not lock.users:
                del self._locks[conversation_id]


def _busy() -> Conflict:
    return Conflict(
        "The secretary is still answering in this conversation",
        code="conversation_busy",
        hint="Wait for the answer, or stop it.",
        retry_after=2,
    )
