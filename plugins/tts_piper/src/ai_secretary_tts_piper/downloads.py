"""Downloads of voices as durable work: the job `tts_piper.download`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from ai_secretary.downloads import Orders, Part, PlainSource, Transfer
from ai_secretary.errors import Conflict
from ai_secretary.jobs import Job, JobContext, Jobs
from ai_secretary_tts_piper.catalogue import Catalogue, RemoteFile, is_key, local_names

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
        first_wait_s: float = 1.0,
    ) -> None:
        self._folder = folder
        self._catalogue = catalogue
        self._jobs = jobs
        self.orders = Orders(jobs, JOB_KIND, self._carry_out, self._forget)
        self._on_arrival = on_arrival
        self._source = PlainSource(user_agent)
        self.first_wait_s = first_wait_s

    async def order(self, key: str) -> Job:
        """Start a download, or go on with it. Raises `NotFound`, `Conflict` when the voice is here, `DownloadFailed`."""
        offer = await self._catalogue.offer(key)
        if await asyncio.to_thread((self._folder / f"{offer.key}.onnx").exists):
            raise Conflict("{voice} is already here", voice=offer.title, code="piper_voice_exists")
        return await self.orders.place({"voice": offer.key}, title=offer.title, key=offer.key)

    async def list(self) -> list[Job]:
        """All downloads of voices, newest first."""
        return await self._jobs.list(kind=JOB_KIND)

    async def _carry_out(self, job: JobContext) -> dict[str, Any]:
        """Run again after a crash or a pause it goes on with what has arrived. Raises `DownloadFailed`."""
        offer = await self._catalogue.offer(str(job.payload.get("voice", "")))
        total = offer.size or 0
        before = 0
        for file in offer.files:
            transfer = self._transfer(job, file, before, total)
            if not await transfer.arrived():
                await transfer.run_for(job)
            before += file.size
        await job.progress(before, total)
        await self._on_arrival()
        return {"voice": f"piper/{offer.key}", "bytes": total}

    def _transfer(self, job: JobContext, file: RemoteFile, before: int, total: int) -> Transfer:
        async def progress(done: int, _of: int | None, message: str) -> None:
            await job.progress(before + done, total, message)

        return Transfer(
            file.url,
            Part(self._folder / file.name),
            self._source,
            size=file.size,
            digest=file.digest,
            algorithm=file.algorithm,
            progress=progress,
            first_wait_s=self.first_wait_s,
        )

    async def _forget(self, job_id: str, payload: dict[str, Any]) -> None:
        """Remove what a cancelled download left, unless the voice was whole before or is on its way again."""
        key = str(payload.get("voice", ""))
        newest = (await self.orders.latest(lambda job: str(job.payload.get("voice", "")))).get(key)
        if is_key(key) and (newest is None or newest.id == job_id):
            await asyncio.to_thread(_remove, self._folder, key)


def _remove(folder: Path, key: str) -> None:
    if (folder / f"{key}.onnx").exists():
        return
    for name in local_names(key).values():
        (folder / name).unlink(missing_ok=True)
        Part(folder / name).remove()
