"""`/admin/jobs`: durable work, its progress, and how to pause, resume or cancel it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Depends
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.audit import AuditEvent
from ai_secretary.jobs import Job, JobChanged, JobState

if TYPE_CHECKING:
    from ai_secretary.app import Application

KEEP_ALIVE_SECONDS = 15.0


class JobReply(BaseModel):
    id: str
    kind: str
    title: str
    state: JobState
    done: int
    total: int | None
    progress: float | None
    message: str
    error: str
    result: dict[str, Any] | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: Job) -> JobReply:
        return cls(
            id=job.id, kind=job.kind, title=job.title, state=job.state, done=job.done, total=job.total, progress=job.progress,
            message=job.message, error=job.error, result=job.result, created_at=job.created_at, updated_at=job.updated_at,
        )  # fmt: skip


class JobsReply(BaseModel):
    jobs: list[JobReply]


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/jobs", tags=["jobs"], responses=ERRORS)
    jobs = application.jobs

    @router.get("", summary="List durable work, newest first")
    async def list_jobs(
        kind: str | None = None, state: JobState | None = None, principal: Principal = Depends(require("jobs:read"))
    ) -> JobsReply:
        return JobsReply(jobs=[JobReply.of(job) for job in await jobs.list(kind, [state] if state else None)])

    @router.get("/stream", summary="Changes of durable work as server-sent events", response_class=StreamingResponse)
    async def stream(principal: Principal = Depends(require("jobs:read"))) -> StreamingResponse:
        queue: asyncio.Queue[Job] = asyncio.Queue(maxsize=256)

        def remember(event: JobChanged) -> None:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event.job)

        async def events() -> AsyncIterator[str]:
            unsubscribe = application.bus.subscribe(JobChanged, remember)
            try:
                yield ": connected\n\n"
                while True:
                    try:
                        job = await asyncio.wait_for(queue.get(), KEEP_ALIVE_SECONDS)
                    except TimeoutError:
                        yield ": keep-alive\n\n"
                        continue
                    yield f"event: job\ndata: {JobReply.of(job).model_dump_json()}\n\n"
            finally:
                unsubscribe()

        return StreamingResponse(
            events(), media_type="text/event-stream", headers={"cache-control": "no-cache", "x-accel-buffering": "no"}
        )

    @router.get("/{job_id}", summary="One job")
    async def get_job(job_id: str, principal: Principal = Depends(require("jobs:read"))) -> JobReply:
        return JobReply.of(await jobs.get(job_id))

    @router.post("/{job_id}/{action}", summary="Pause, resume or cancel a job")
    async def act(
        job_id: str, action: Literal["pause", "resume", "cancel"], principal: Principal = Depends(require("jobs:write"))
    ) -> JobReply:
        job = await {"pause": jobs.pause, "resume": jobs.resume, "cancel": jobs.cancel}[action](job_id)
        application.audit.record(AuditEvent(action=f"job.{action}", resource="job", resource_id=job_id))
        return JobReply.of(job)

    return router
