"""Downloads of models as durable work: the job `stt.download`."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ai_secretary.downloads import DownloadFailed, Hub, HubFile, Orders, Part, PlainSource, Transfer, fetch_json, unpack
from ai_secretary.errors import Conflict, NotFound
from ai_secretary.i18n import N_
from ai_secretary.jobs import Job, JobContext, Jobs
from ai_secretary_stt.catalogue import CATALOGUE, Downloadable, entry
from ai_secretary_stt.library import engine_of
from ai_secretary_stt.options import SttOptions

KIND: Final = "download"
JOB_KIND: Final = f"stt.{KIND}"
_WORKPLACE: Final = ".downloads"
_NEEDED: Final = ("config.json", "model.bin", "tokenizer.json")
_USEFUL: Final = ("vocabulary.txt", "vocabulary.json", "preprocessor_config.json")


class Downloads:
    """Places orders and carries them out. One model is one job at a time."""

    def __init__(
        self,
        folder: Path,
        options: Callable[[], SttOptions],
        jobs: Jobs,
        on_finished: Callable[[], Awaitable[None]],
        *,
        user_agent: str = "ai-secretary",
        first_wait_s: float = 1.0,
    ) -> None:
        self._folder = folder
        self._options = options
        self.orders = Orders(jobs, JOB_KIND, self._carry_out, self._forget)
        self._on_finished = on_finished
        self._user_agent = user_agent
        self.first_wait_s = first_wait_s

    async def order(self, model_id: str) -> Job:
        """Start or go on with the download of a model of the catalogue. Raises `NotFound`, `Conflict` when it is here already."""
        wanted = entry(model_id)
        if wanted is None:
            raise NotFound(
                "There is no model {id} to download",
                id=model_id[:80],
                code="stt_model_unknown",
                hint="Choose one of the catalogue.",
            )
        if await asyncio.to_thread(lambda: engine_of(self._folder / wanted.folder) is not None):
            raise Conflict("{id} is already here", id=wanted.id, code="stt_model_exists")
        return await self.orders.place({"model": wanted.id}, title=wanted.id, key=wanted.id)

    async def latest(self) -> dict[str, Job]:
        """The newest job of each model that has one."""
        return await self.orders.latest(lambda job: str(job.payload.get("model", "")))

    def workplace(self, wanted: Downloadable) -> Path:
        return self._folder / _WORKPLACE / wanted.folder

    async def _carry_out(self, job: JobContext) -> dict[str, Any]:
        """Run again after a crash or a pause it goes on with what has arrived. Raises `DownloadFailed`."""
        wanted = entry(str(job.payload.get("model", "")))
        if wanted is None:
            raise DownloadFailed("The catalogue no longer has this model", code="stt_model_unknown")
        place, target = self.workplace(wanted), self._folder / wanted.folder
        if not await asyncio.to_thread(lambda: engine_of(target) is not None):
            ready = await (self._whisper if wanted.engine == "whisper" else self._vosk)(job, wanted, place)
            await asyncio.to_thread(_install, ready, target)
        await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        await self._on_finished()
        return {"model": wanted.id, "folder": wanted.folder}

    async def _forget(self, job_id: str, payload: dict[str, Any]) -> None:
        """Remove what a cancelled download left behind, unless a new order for the same model is already on its way."""
        wanted = entry(str(payload.get("model", "")))
        newest = (await self.latest()).get(wanted.id) if wanted is not None else None
        if wanted is not None and (newest is None or newest.id == job_id):
            await asyncio.to_thread(shutil.rmtree, self.workplace(wanted), ignore_errors=True)

    async def tidy(self) -> None:
        """Remove what cancelled downloads left behind (a crash in the middle of a cancellation)."""
        alive = {job.payload.get("model") for job in (await self.latest()).values() if job.state not in {"done", "cancelled"}}
        for item in CATALOGUE:
            if item.id not in alive:
                await asyncio.to_thread(shutil.rmtree, self.workplace(item), ignore_errors=True)

    async def _whisper(self, job: JobContext, wanted: Downloadable, place: Path) -> Path:
        hub = Hub(self._options().hub_url, user_agent=self._user_agent)
        listing = await hub.listing(wanted.source)
        files = _model_files(listing.files, wanted.source)
        total = sum(file.size or 0 for file in files) or None
        before = 0
        for file in files:

            async def progress(done: int, _of: int | None, message: str, start: int = before) -> None:
                await job.progress(start + done, total, message)

            transfer = Transfer(
                hub.file_url(wanted.source, file.name, listing.revision),
                Part(place / "files" / file.name),
                hub,
                size=file.size,
                digest=file.sha256,
                progress=progress,
                first_wait_s=self.first_wait_s,
            )
            before += await _fetch(job, transfer)
        return place / "files"

    async def _vosk(self, job: JobContext, wanted: Downloadable, place: Path) -> Path:
        base, source = self._options().vosk_url, PlainSource(self._user_agent)
        size, md5 = _archive_facts(await fetch_json(source, f"{base}/model-list.json"), wanted.source)
        transfer = Transfer(
            f"{base}/{quote(wanted.source)}.zip",
            Part(place / "model.zip"),
            source,
            size=size,
            digest=wanted.sha256 or md5,
            algorithm="sha256" if wanted.sha256 else "md5",
            progress=job.progress,
            first_wait_s=self.first_wait_s,
        )
        size = await _fetch(job, transfer)
        unpacked = place / "unpacked"
        await job.progress(size, size, N_("Unpacking"))
        await asyncio.to_thread(shutil.rmtree, unpacked, ignore_errors=True)

        def stop_if_asked(_done: int, _total: int) -> None:
            job.raise_if_stopping()

        await asyncio.to_thread(unpack, transfer.part.final, unpacked, stop_if_asked)
        return unpacked


async def _fetch(job: JobContext, transfer: Transfer) -> int:
    """Have the file; returns its bytes. A file of this order that an earlier run finished is not fetched again."""
    if not await transfer.arrived():
        await transfer.run_for(job)
    return (await asyncio.to_thread(transfer.part.final.stat)).st_size


def _model_files(listed: Iterable[HubFile], repository: str) -> list[HubFile]:
    """Those that a Whisper model needs, biggest last. Raises `DownloadFailed`."""
    found = {file.name: file for file in listed if file.name in (*_NEEDED, *_USEFUL)}
    missing = [name for name in _NEEDED if name not in found]
    if missing or not any(name.startswith("vocabulary.") for name in found):
        raise DownloadFailed(
            "{repository} lacks {files}",
            repository=repository,
            files=", ".join(missing) or "vocabulary",
            code="stt_hub_incomplete",
        )
    return sorted(found.values(), key=lambda file: (file.name == "model.bin", file.name))


def _archive_facts(answer: object, name: str) -> tuple[int | None, str]:
    """Bytes and MD5 of an archive from the site's own list; nothing where the list does not have it."""
    for item in answer if isinstance(answer, list) else ():
        if isinstance(item, dict) and item.get("name") == name:
            size, md5 = item.get("size"), item.get("md5")
            return size if isinstance(size, int) else None, md5 if isinstance(md5, str) and len(md5) == 32 else ""
    return None, ""


def _install(ready: Path, target: Path) -> None:
    """Move a finished model to its place in one step, if it is one."""
    if engine_of(ready) is None:
        shutil.rmtree(ready, ignore_errors=True)
        raise DownloadFailed("What has arrived is not a recognition model", code="stt_not_a_model")
    if target.exists():
        shutil.rmtree(target)
    os.replace(ready, target)
