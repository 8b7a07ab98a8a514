"""Heavy engines in processes of their own: calls, streams, cancellation, restart with back-off."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_secretary.workers.worker import Bounded, Worker, WorkerError, WorkerState

__all__ = ["Bounded", "Worker", "WorkerError", "WorkerState"]


def __getattr__(name: str) -> object:
    # The child imports this package too and starts faster without asyncio.
    if name in __all__:
        from ai_secretary.workers import worker

        return getattr(worker, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
