"""Downloads of voices as durable work: the job `tts_piper.download`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from ai_secretary.errors import Conflict
from ai_secretary.jobs import Job, JobContext, Jobs
from ai_secretary.jobs.types import JobStopped
from ai_secretary_tts_piper.catalogue import Catalogue, Offer
from ai_secretary_tts_piper.transfer import Transfer

KIND: Final = "download"
JOB_KIND: Final = f"tts_piper.{KIND}"


class Downloads:
    """Places orders and carries them out; one voice is one job at a time."""

    def __init__(
        self,
        folder: Path,
        catalogue: Catalogue,
        jobs: Jobs,
        on_arrival: Callable[[], Awaitable[None]],
        user_agent: str,
        *,
        pause_s: float = 1.0,
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._jobs = jobs
        self._on_arrival = on_arrival
        self._user_agent = user_agent
        self._pause_s = pause_s

    async def order(self, key: str) -> Job:
        """Start a download, or go on with it. Raises `NotFound`, `Conflict` when the voice is here, `DownloadFailed`."""
        offer = await self._catalogue.offer(key)
        if await asyncio.to_thread((self._folder / f"{offer.key}.onnx").exists):
            raise Conflict("{voice} is already here", voice=offer.title, code="piper_voice_exists")
        job = await self._jobs.enqueue(JOB_KIND, {"voice": offer.key}, title=offer.title, key=f"{JOB_KIND}:{offer.key}")
        return await self._jobs.resume(job.id) if job.state == "paused" else job

    async def list(self) -> list[Job]:
        """All downloads of voices, newest first."""
        return await self._jobs.list(kind=JOB_KIND)

    async def carry_out(self, job: JobContext) -> dict[str, Any]:
        """The job's handler; run again after a crash or a pause it goes on with what has arrived."""
        offer = await self._catalogue.offer(str(job.payload.get("voice", "")))
        total = offer.size or 0
        before = 0
        try:
            async with Transfer(self._user_agent, pause_s=self._pause_s) as transfer:
                for file in offer.files:

                    async def progress(done: int, start: int = before) -> None:
                        await job.progress(start + done, total)

                    await transfer.fetch(file, self._folder, progress, job.raise_if_stopping)
                    before += file.size
        except (JobStopped, asyncio.CancelledError):
            if job.asked == "cancel":
                await asyncio.to_thread(_forget, self._folder, offer)
            raise
        await self._on_arrival()
        return {"voice": f"piper/{offer.key}", "bytes": total}


def _forget(folder: Path, offer: Offer) -> None:
    """Remove what a cancelled download left, unless the voice was whole before."""
    if (folder / f"{offer.key}.onnx").exists():
        return
    for file in offer.files:
        (folder / file.name).unlink(missing_ok=True)
        (folder / f"{file.name}.part").unlink(missing_ok=True)
