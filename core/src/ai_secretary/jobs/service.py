"""Enqueue, watch, pause, resume and cancel durable work."""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from ai_secretary.errors import Conflict, InvalidInput, NotFound, SecretaryError
from ai_secretary.events import EventBus
from ai_secretary.ids import new_id
from ai_secretary.jobs.engine import DurableEngine
from ai_secretary.jobs.models import JobRow
from ai_secretary.jobs.types import ENDED, Job, JobChanged, JobContext, JobHandler, JobState, JobStopped
from ai_secretary.storage import Database, now

if TYPE_CHECKING:
    from ai_secretary.plugins.registries import Registries

__all__ = ["Job", "JobChanged", "JobContext", "JobHandler", "JobState", "JobStopped", "Jobs"]

log = structlog.get_logger(__name__)

PROGRESS_SECONDS = 0.5
GRACE_SECONDS = 2.0
"""How long a handler may take to notice that it was asked to stop, before its task is cancelled."""


def _job(row: JobRow) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        title=row.title,
        state=row.state,  # type: ignore[arg-type]  # the column holds only states
        payload=json.loads(row.payload),
        done=row.done,
        total=row.total,
        message=row.message,
        error=row.error,
        result=json.loads(row.result) if row.result else None,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


class _Running:
    __slots__ = ("context", "reported_at", "task")

    def __init__(self, context: JobContext, task: asyncio.Task[Any] | None) -> None:
        self.context = context
        self.task = task
        self.reported_at = 0.0


class Jobs:
    """Kinds come from plugins (`register_jobs`). A job of a plugin that is off waits until it is on again."""

    def __init__(self, database: Database, registries: Registries, bus: EventBus, system_url: str, node: str = "main") -> None:
        self._database = database
        self._registries = registries
        self._bus = bus
        self._engine = DurableEngine(system_url, node, self._attempt)
        self._running: dict[str, _Running] = {}
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._ready = asyncio.Event()
        self._launching: asyncio.Task[None] | None = None
        self._closing = False
        self.problem = ""

    def start(self) -> None:
        """Launch the engine in the background; jobs enqueued meanwhile wait for it."""
        self._launching = asyncio.get_running_loop().create_task(self._launch(), name="jobs:launch")

    async def _launch(self) -> None:
        try:
            await self._engine.launch()
            self._ready.set()
            await self.take_up_waiting()
        except Exception as error:
            self.problem = f"{type(error).__name__}: {error}"
            log.exception("durable_work_unavailable")

    async def take_up_waiting(self, owner: str | None = None) -> None:
        """Start what is queued or was interrupted, of one plugin or of all."""
        if not self._ready.is_set():
            return
        async with self._database.session() as session:
            query = select(JobRow).where(JobRow.state.in_(("queued", "running")))
            rows = list((await session.execute(query)).scalars())
        for row in rows:
            if row.id in self._running or (owner is not None and not row.kind.startswith(f"{owner}.")):
                continue
            if self._registries.job_kinds.get(row.kind) is None or await self._engine.is_alive(row.id, row.attempt):
                continue
            await self._start(row.id)

    async def close(self) -> None:
        """Interrupt running handlers; they go on at the next start."""
        self._closing = True
        if self._launching is not None:
            self._launching.cancel()
            await asyncio.wait([self._launching])
        tasks = [running.task for running in self._running.values() if running.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        await self._engine.close()

    # ---- what people and plugins call ----

    async def enqueue(self, kind: str, payload: dict[str, Any], *, title: str = "", key: str | None = None) -> Job:
        """Durable once this returns. With `key`, a second call gives the job that is already there unless it has ended.

        Raises `InvalidInput` for an unknown kind.
        """
        if self._registries.job_kinds.get(kind) is None:
            raise InvalidInput("There is no job kind {kind}", kind=kind, code="unknown_job_kind")
        if key is not None and (existing := await self._by_key(key)) is not None:
            if not existing.ended:
                return existing
            await self._release_key(existing.id)
        row = JobRow(
            id=new_id("job"), kind=kind, key=key, title=title[:300], state="queued", payload=json.dumps(payload), attempt=0
        )
        try:
            async with self._database.transaction() as session:
                session.add(row)
        except IntegrityError:  # somebody else was faster with the same key
            assert key is not None
            other = await self._by_key(key)
            if other is not None:
                return other
            raise
        job = _job(row)
        self._bus.publish(JobChanged(job))
        if self._ready.is_set():
            await self._start(job.id)
        return job

    async def get(self, job_id: str) -> Job:
        async with self._database.session() as session:
            row = await session.get(JobRow, job_id)
        if row is None:
            raise NotFound("There is no job {id}", id=job_id, code="job_not_found")
        return _job(row)

    async def list(self, kind: str | None = None, states: Sequence[JobState] | None = None, *, limit: int = 200) -> list[Job]:
        """Newest first."""
        query = select(JobRow).order_by(JobRow.id.desc()).limit(limit)
        if kind is not None:
            query = query.where(JobRow.kind == kind)
        if states is not None:
            query = query.where(JobRow.state.in_(states))
        async with self._database.session() as session:
            return [_job(row) for row in (await session.execute(query)).scalars()]

    async def pause(self, job_id: str) -> Job:
        return await self._stop(job_id, "pause")

    async def cancel(self, job_id: str) -> Job:
        return await self._stop(job_id, "cancel")

    async def resume(self, job_id: str) -> Job:
        """Go on with a paused job, or try a failed one again."""
        job = await self.get(job_id)
        if job.state not in ("paused", "failed"):
            raise Conflict(
                "Job {id} is {state}; only a paused or failed job can go on", id=job_id, state=job.state, code="job_state"
            )
        job = await self._save(job_id, state="queued", error="", message="")
        if self._ready.is_set():
            await self._start(job_id)
        return job

    # ---- inside ----

    async def _by_key(self, key: str) -> Job | None:
        async with self._database.session() as session:
            row = (await session.execute(select(JobRow).where(JobRow.key == key))).scalar_one_or_none()
        return None if row is None else _job(row)

    async def _release_key(self, job_id: str) -> None:
        async with self._database.transaction() as session:
            await session.execute(update(JobRow).where(JobRow.id == job_id).values(key=None))

    async def _save(self, job_id: str, **values: Any) -> Job:
        async with self._database.transaction() as session:
            await session.execute(update(JobRow).where(JobRow.id == job_id).values(updated_at=now(), **values))
            row = await session.get(JobRow, job_id)
        if row is None:
            raise NotFound("There is no job {id}", id=job_id, code="job_not_found")
        job = _job(row)
        self._bus.publish(JobChanged(job))
        return job

    async def _start(self, job_id: str) -> None:
        async with self._database.transaction() as session:
            row = await session.get(JobRow, job_id)
            if row is None:
                return
            row.attempt += 1
            attempt = row.attempt
        await self._engine.start(job_id, attempt)

    async def _stop(self, job_id: str, how: Literal["pause", "cancel"]) -> Job:
        job = await self.get(job_id)
        final: JobState = "paused" if how == "pause" else "cancelled"
        if job.state in ENDED or (job.state == "paused" and how == "pause"):
            raise Conflict("Job {id} is already {state}", id=job_id, state=job.state, code="job_state")
        running = self._running.get(job_id)
        if running is None:
            job = await self._save(job_id, state=final)
            # Its attempt may have begun meanwhile, before it could see the new state.
            running = self._running.get(job_id)
            if running is None:
                return job
        running.context.asked = how
        if running.task is not None:
            await asyncio.wait([running.task], timeout=GRACE_SECONDS)
            if not running.task.done():
                running.task.cancel()
                await asyncio.wait([running.task], timeout=GRACE_SECONDS)
        return await self.get(job_id)

    async def _attempt(self, job_id: str, context: contextvars.Context) -> str:
        """One attempt, on the event loop. Returns how it ended (kept by DBOS for the curious)."""
        job = await self.get(job_id)
        kind = self._registries.job_kinds.get(job.kind)
        if job.state not in ("queued", "running") or job_id in self._running:
            return job.state
        if kind is None:
            await self._save(job_id, state="queued", message="waiting for its plugin")
            return "waiting"

        async def run_step(name: str, function: Any) -> Any:
            return await self._engine.run_step(context, name, function)

        async def report(done: int, total: int | None, message: str) -> None:
            await self._progress(job_id, done, total, message)

        job_context = JobContext(job_id, job.payload, report, run_step)
        running = self._running[job_id] = _Running(job_context, None)
        running.task = asyncio.get_running_loop().create_task(
            self._handle(job_id, kind.id, kind.handler, kind.concurrency, job_context), name=f"job:{kind.id}:{job_id}"
        )
        try:
            return await asyncio.shield(running.task)
        finally:
            self._running.pop(job_id, None)

    async def _handle(self, job_id: str, kind: str, handler: JobHandler, concurrency: int, context: JobContext) -> str:
        slots = self._slots.setdefault(kind, asyncio.Semaphore(concurrency))
        try:
            async with slots:
                context.raise_if_stopping()
                if (state := (await self.get(job_id)).state) not in ("queued", "running"):
                    return state  # paused or cancelled since the attempt was started
                await self._save(job_id, state="running", error="")
                result = await handler(context)
            await self._save(job_id, state="done", result=None if result is None else json.dumps(result), message="")
            return "done"
        except JobStopped:
            return await self._stopped(job_id, context)
        except asyncio.CancelledError:
            if context.asked:
                return await self._stopped(job_id, context)
            await asyncio.shield(self._save(job_id, state="queued"))
            return "interrupted"
        except Exception as error:
            if not isinstance(error, SecretaryError):
                log.exception("job_failed", job=job_id, kind=kind)
            await self._save(job_id, state="failed", error=(str(error) or type(error).__name__)[:1000])
            return "failed"

    async def _stopped(self, job_id: str, context: JobContext) -> str:
        state: JobState = "cancelled" if context.asked == "cancel" else "paused"
        await self._save(job_id, state=state)
        return state

    async def _progress(self, job_id: str, done: int, total: int | None, message: str) -> None:
        running = self._running.get(job_id)
        moment = time.monotonic()
        if running is None or (moment - running.reported_at < PROGRESS_SECONDS and done != total):
            return
        running.reported_at = moment
        await self._save(job_id, done=done, total=total, message=message[:500])
