"""DBOS as the engine of durable work: a workflow per attempt, re-run by DBOS after the process was killed.

The handler itself runs on the application's event loop; the workflow is a thread that waits for it. DBOS is imported and
launched beside the loop, so that it does not delay the start of the server.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from ai_secretary.storage.database import sync_url

APPLICATION_VERSION = "1"
"""Constant: a new release must go on with the work of the old one."""

RunAttempt = Callable[[str, contextvars.Context], Awaitable[str]]


class DurableEngine:
    """One per process (DBOS is a singleton). `run` gets the id of a job and the workflow's context, and says how it ended."""

    def __init__(self, database_url: str, node: str, run: RunAttempt) -> None:
        self._database_url = database_url
        self._node = node
        self._run = run
        self._loop: asyncio.AbstractEventLoop | None = None
        self._workflow: Callable[[str], str] | None = None
        self._lock = threading.Lock()
        self._closed = False

    async def launch(self) -> None:
        """Connect and recover what a killed process left unfinished."""
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._launch)

    def _launch(self) -> None:
        # A server that is closed again at once must not leave a DBOS behind that was still starting.
        with self._lock:
            if not self._closed:
                self._launch_dbos()

    def _launch_dbos(self) -> None:
        from dbos import DBOS

        DBOS(
            config={
                "name": "ai-secretary",
                "system_database_url": sync_url(self._database_url).render_as_string(hide_password=False),
                "application_version": APPLICATION_VERSION,
                "executor_id": self._node,
                "console_log_level": "WARNING",
                "log_level": "WARNING",
                "notification_listener_polling_interval_sec": 0.5,
            }
        )
        logging.getLogger("dbos").setLevel(logging.WARNING)

        @DBOS.workflow(name="secretary_job", max_recovery_attempts=50)
        def secretary_job(job_id: str) -> str:
            return self._wait_for(job_id)

        self._workflow = secretary_job
        DBOS.launch()

    def _wait_for(self, job_id: str) -> str:
        """In DBOS's thread: hand the job to the event loop and wait for its end."""
        assert self._loop is not None
        context = contextvars.copy_context()
        try:
            future = asyncio.run_coroutine_threadsafe(self._attempt(job_id, context), self._loop)
            return future.result()
        except (concurrent.futures.CancelledError, RuntimeError):
            return "interrupted"  # the loop is closing: the job's row still says that it must go on

    async def _attempt(self, job_id: str, context: contextvars.Context) -> str:
        return await self._run(job_id, context)

    async def start(self, job_id: str, attempt: int) -> None:
        """Start an attempt; durable once this returns. Starting the same attempt again is harmless."""
        await asyncio.to_thread(self._start, job_id, attempt)

    def _start(self, job_id: str, attempt: int) -> None:
        from dbos import DBOS, SetWorkflowID

        assert self._workflow is not None
        with SetWorkflowID(f"{job_id}:{attempt}"):
            DBOS.start_workflow(self._workflow, job_id)

    async def is_alive(self, job_id: str, attempt: int) -> bool:
        """Whether DBOS itself will run (or is running) this attempt."""

        def look() -> bool:
            from dbos import DBOS

            status = DBOS.get_workflow_status(f"{job_id}:{attempt}")
            return status is not None and status.status in {"PENDING", "ENQUEUED", "DELAYED"}

        return await asyncio.to_thread(look)

    async def run_step(self, context: contextvars.Context, name: str, function: Callable[[], Awaitable[Any]]) -> Any:
        """Memoise one step of an attempt in DBOS."""
        loop = asyncio.get_running_loop()

        def call() -> Any:
            async def await_it() -> Any:
                return await function()

            return asyncio.run_coroutine_threadsafe(await_it(), loop).result()

        def step() -> Any:
            from dbos import DBOS

            return DBOS.run_step({"name": name}, call)

        return await asyncio.to_thread(context.run, step)

    async def close(self) -> None:
        """Stop DBOS; unfinished attempts are taken up at the next launch."""

        def destroy() -> None:
            from dbos import DBOS

            with self._lock:
                if self._workflow is not None:
                    self._workflow = None
                    DBOS.destroy()

        self._closed = True
        if self._loop is not None:
            await asyncio.to_thread(destroy)
