"""A bounded engine shared fairly: who asked least goes first, and a full queue says so at once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ai_secretary.errors import Unavailable


class FairGate:
    """At most `capacity` holders; the others wait, round robin over their identities, first in first out inside one.

    `admit` bounds how many requests are inside at once (working and waiting); beyond, `Unavailable` with `retry_after`. `turn`
    is for one piece of work inside an admitted request, so that a long text does not keep a short one waiting for its end.
    """

    def __init__(self, capacity: int, max_requests: int, *, retry_after: float = 2.0) -> None:
        self.capacity = capacity
        self.max_requests = max_requests
        self._retry_after = retry_after
        self._requests = 0
        self._working = 0
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def requests(self) -> int:
        return self._requests

    @property
    def working(self) -> int:
        return self._working

    @property
    def waiting(self) -> int:
        return sum(len(queue) for queue in self._waiting.values())

    @asynccontextmanager
    async def admit(self) -> AsyncIterator[None]:
        if self._requests >= self.max_requests:
            raise Unavailable(
                "{count} requests are already being served or waiting",
                count=self._requests, code="queue_full", retry_after=self._retry_after,
                hint="Try again in a few seconds, or raise the limit in the voice settings.",
            )  # fmt: skip
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @asynccontextmanager
    async def turn(self, identity: str = "") -> AsyncIterator[None]:
        await self._acquire(identity)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, identity: str) -> None:
        if self._working < self.capacity and not self._waiting:
            self._working += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(identity, deque()).append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                # The turn was handed over in the very moment of the cancellation: pass it on.
                self._release()
            else:
                self._forget(identity, future)
            raise

    def _forget(self, identity: str, future: asyncio.Future[None]) -> None:
        queue = self._waiting.get(identity)
        if queue is not None:
            if future in queue:
                queue.remove(future)
            if not queue:
                del self._waiting[identity]

    def _release(self) -> None:
        self._working -= 1
        while self._waiting and self._working < self.capacity:
            identity, queue = next(iter(self._waiting.items()))
            future = queue.popleft()
            # To the end of the ring, so that the next turn is somebody else's.
            del self._waiting[identity]
            if queue:
                self._waiting[identity] = queue
            if not future.done():
                self._working += 1
                future.set_result(None)
