"""What a job is and what its handler gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
ENDED: frozenset[JobState] = frozenset({"done", "failed", "cancelled"})
T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class Job:
    """A snapshot of one piece of durable work. `done` and `total` are in the kind's own unit (bytes, steps)."""

    id: str
    kind: str
    title: str
    state: JobState
    payload: dict[str, Any]
    done: int
    total: int | None
    message: str
    error: str
    result: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @property
    def progress(self) -> float | None:
        """0 to 1, or None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def ended(self) -> bool:
        return self.state in ENDED


@dataclass(slots=True, frozen=True)
class JobChanged:
    """Published at every change of state, and at most twice a second for progress."""

    job: Job


class JobStopped(Exception):
    """Raised inside a handler when somebody paused or cancelled the job."""


Report = Callable[[int, int | None, str], Awaitable[None]]
RunStep = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]


class JobContext:
    """A handler's view of its job. After a crash or a resume the handler starts again from its beginning."""

    def __init__(self, job_id: str, payload: dict[str, Any], report: Report, run_step: RunStep) -> None:
        self.id = job_id
        self.payload = payload
        self.asked: Literal["", "pause", "cancel"] = ""
        self._report = report
        self._run_step = run_step

    @property
    def stopping(self) -> bool:
        return self.asked != ""

    def raise_if_stopping(self) -> None:
        """Call between pieces of work; raises `JobStopped`."""
        if self.asked:
            raise JobStopped(self.asked)

    async def progress(self, done: int, total: int | None = None, message: str = "") -> None:
        """Tell how far the work is. Cheap: written and published at most twice a second."""
        await self._report(done, total, message)

    async def step(self, name: str, function: Callable[[], Awaitable[T]]) -> T:
        """Run `function` once: after a crash its stored result (picklable) is returned instead.

        Steps must come in the same order each time.
        """
        result: T = await self._run_step(name, function)
        return result


JobHandler = Callable[[JobContext], Awaitable["dict[str, Any] | None"]]
