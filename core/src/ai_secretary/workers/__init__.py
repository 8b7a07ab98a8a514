"""Heavy engines in processes of their own: calls, streams, cancellation, restart with back-off."""

from ai_secretary.workers.worker import Worker, WorkerError, WorkerState

__all__ = ["Worker", "WorkerError", "WorkerState"]
