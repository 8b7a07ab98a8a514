"""Orders for downloads as durable work: one at a time for the same thing, a reason kept for each failure, nothing left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ai_secretary.errors import SecretaryError
from ai_secretary.jobs import Job, JobChanged, JobContext, Jobs, JobStopped

CarryOut = Callable[[JobContext], Awaitable[dict[str, Any]]]
Forget = Callable[[str, dict[str, Any]], Awaitable[None]]


class Orders:
    """All jobs of one kind.

    `carry_out` fetches, and goes on where an earlier run stopped; its owner registers `handle` as the kind's handler. `forget`
    (job id, payload) removes what a cancelled order has fetched; its owner subscribes `on_change` to `JobChanged`, because a job
    that was paused or had failed does not run when it is cancelled.
    """

    def __init__(self, jobs: Jobs, kind: str, carry_out: CarryOut, forget: Forget) -> None:
        self.kind = kind
        self._jobs = jobs
        self._carry_out = carry_out
        self._forget = forget
        self.failures: dict[str, SecretaryError] = {}
        """Why a job of this run failed, by its id, for the reader's language: the job itself keeps only English words."""

    async def place(self, payload: dict[str, Any], *, title: str, key: str) -> Job:
        """Start an order, or go on with one for the same `key` that waits or is paused."""
        job = await self._jobs.enqueue(self.kind, payload, title=title, key=f"{self.kind}:{key}")
        return await self._jobs.resume(job.id) if job.state == "paused" else job

    async def latest(self, key_of: Callable[[Job], str]) -> dict[str, Job]:
        """The newest job of each key, newest first."""
        found: dict[str, Job] = {}
        for job in await self._jobs.list(kind=self.kind):
            found.setdefault(key_of(job), job)
        return found

    async def cancel(self, job_id: str) -> Job:
        """Call an order off, also one that has failed. Raises `Conflict`, `NotFound`."""
        job = await self._jobs.get(job_id)
        if job.state == "failed":
            # A failed job has ended; only one that goes on can be called off.
            await self._jobs.resume(job_id)
        return await self._jobs.cancel(job_id)

    async def handle(self, context: JobContext) -> dict[str, Any]:
        """The job's handler."""
        self.failures.pop(context.id, None)
        try:
            return await self._carry_out(context)
        except SecretaryError as error:
            self.failures[context.id] = error
            raise
        except (JobStopped, asyncio.CancelledError):
            if context.asked == "cancel":
                await self._forget(context.id, context.payload)
            raise

    async def on_change(self, event: JobChanged) -> None:
        if event.job.kind == self.kind and event.job.state == "cancelled":
            await self._forget(event.job.id, event.job.payload)
