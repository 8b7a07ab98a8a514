"""A stream whose first item is already there, so that its errors come before an answer begins."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Primed(Generic[T]):
    """Iterate once; `aclose` closes the source. `first_ms` is how long the first item took."""

    def __init__(self, source: AsyncGenerator[T, None], first: T | None, *, empty: bool, first_ms: float) -> None:
        self._source = source
        self.first = first
        self.empty = empty
        self.first_ms = first_ms

    async def __aiter__(self) -> AsyncIterator[T]:
        if not self.empty:
            yield self.first  # type: ignore[misc]  # None only where the source is empty
            async for item in self._source:
                yield item

    async def aclose(self) -> None:
        await self._source.aclose()


async def prime(source: AsyncGenerator[T, None]) -> Primed[T]:
    """Wait for the first item; what the source raises before it is raised here, with the source closed."""
    started = time.perf_counter()
    try:
        first = await anext(source)
    except StopAsyncIteration:
        return Primed(source, None, empty=True, first_ms=(time.perf_counter() - started) * 1000)
    except BaseException:
        await source.aclose()
        raise
    return Primed(source, first, empty=False, first_ms=(time.perf_counter() - started) * 1000)
