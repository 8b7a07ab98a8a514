"""Downloads of models as durable work: the job `stt.download`."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ai_secretary.errors import Conflict, NotFound, SecretaryError
from ai_secretary.i18n import N_
from ai_secretary.jobs import Job, JobContext, Jobs
from ai_secretary.jobs.types import JobStopped
from ai_secretary_stt.archives import unpack
from ai_secretary_stt.catalogue import CATALOGUE, Downloadable, entry
from ai_secretary_stt.library import engine_of
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.transfer import DownloadFailed, RemoteFile, Transfer

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
        retry_wait_s: float = 1.0,
    ) -> None:
        self._folder = folder
        self._options = options
        self._jobs = jobs
        self._on_finished = on_finished
        self._user_agent = user_agent
        self._retry_wait_s = retry_wait_s
        self.failures: dict[str, SecretaryError] = {}
        """Why jobs of this process failed, in a form that can be shown in the reader's language."""

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
        job = await self._jobs.enqueue(JOB_KIND, {"model": wanted.id}, title=wanted.id, key=f"{JOB_KIND}:{wanted.id}")
        return await self._jobs.resume(job.id) if job.state == "paused" else job

    async def latest(self) -> dict[str, Job]:
        """The newest job of each model that has one."""
        found: dict[str, Job] = {}
        for job in await self._jobs.list(kind=JOB_KIND):
            found.setdefault(str(job.payload.get("model", "")), job)
        return found

    def workplace(self, wanted: Downloadable) -> Path:
        return self._folder / _WORKPLACE / wanted.folder

    async def carry_out(self, job: JobContext) -> dict[str, Any]:
        """The job's handler; run again after a crash or a pause it goes on with what has arrived."""
        self.failures.pop(job.id, None)
        try:
            return await self._carry_out(job)
        except SecretaryError as error:
            self.failures[job.id] = error
            raise

    async def _carry_out(self, job: JobContext) -> dict[str, Any]:
        wanted = entry(str(job.payload.get("model", "")))
        if wanted is None:
            raise DownloadFailed("The catalogue no longer has this model", code="stt_model_unknown")
        place, target = self.workplace(wanted), self._folder / wanted.folder
        try:
            if not await asyncio.to_thread(lambda: engine_of(target) is not None):
                async with Transfer(self._user_agent, retry_wait_s=self._retry_wait_s) as transfer:
                    if wanted.engine == "whisper":
                        ready = await self._whisper(job, transfer, wanted, place)
                    else:
                        ready = await self._vosk(job, transfer, wanted, place)
                await asyncio.to_thread(_install, ready, target)
            await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
        except (JobStopped, asyncio.CancelledError):
            if job.asked == "cancel":
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)
            raise
        await self._on_finished()
        return {"model": wanted.id, "folder": wanted.folder}

    async def tidy(self) -> None:
        """Remove what cancelled downloads left behind (a crash in the middle of a cancellation)."""
        alive = {job.payload.get("model") for job in (await self.latest()).values() if job.state not in {"done", "cancelled"}}
        for item in CATALOGUE:
            if item.id not in alive:
                await asyncio.to_thread(shutil.rmtree, self.workplace(item), ignore_errors=True)

    async def _whisper(self, job: JobContext, transfer: Transfer, wanted: Downloadable, place: Path) -> Path:
        files = _hub_files(
            await transfer.json(f"{self._options().hub_url}/api/models/{wanted.source}/revision/main?blobs=true"),
            self._options().hub_url,
            wanted.source,
        )
        total = sum(file.size or 0 for file in files) or None
        before = 0
        for file in files:

            async def progress(done: int, _of: int | None, start: int = before) -> None:
                await job.progress(start + done, total)

            path = await transfer.fetch(file, place / "files", progress, job.raise_if_stopping)
            before += (await asyncio.to_thread(path.stat)).st_size
        return place / "files"

    async def _vosk(self, job: JobContext, transfer: Transfer, wanted: Downloadable, place: Path) -> Path:
        base = self._options().vosk_url
        known = _vosk_archive(await transfer.json(f"{base}/model-list.json"), wanted.source)
        archive = RemoteFile(
            f"{base}/{quote(wanted.source)}.zip",
            "model.zip",
            known.size,
            wanted.sha256 or known.digest,
            "sha256" if wanted.sha256 else known.algorithm,
        )

        async def progress(done: int, of: int | None) -> None:
            await job.progress(done, of)

        path = await transfer.fetch(archive, place, progress, job.raise_if_stopping)
        unpacked = place / "unpacked"
        await job.progress(known.size or 1, known.size or 1, N_("Unpacking"))
        await asyncio.to_thread(shutil.rmtree, unpacked, ignore_errors=True)

        def stop_if_asked(_done: int, _total: int) -> None:
            job.raise_if_stopping()

        await asyncio.to_thread(unpack, path, unpacked, stop_if_asked)
        return unpacked


def _hub_files(answer: object, hub_url: str, repository: str) -> list[RemoteFile]:
    """The files of a Whisper model, biggest last, with the sizes and digests that the hub gives."""
    revision = answer.get("sha") if isinstance(answer, dict) else None
    siblings = answer.get("siblings") if isinstance(answer, dict) else None
    if not isinstance(siblings, list):
        raise DownloadFailed("The hub's answer about {repository} cannot be read", repository=repository, code="stt_hub_answer")
    found: dict[str, RemoteFile] = {}
    for sibling in siblings:
        name = sibling.get("rfilename") if isinstance(sibling, dict) else None
        if name not in (*_NEEDED, *_USEFUL):
            continue
        lfs = sibling.get("lfs") if isinstance(sibling.get("lfs"), dict) else {}
        size = lfs.get("size", sibling.get("size"))
        digest = lfs.get("sha256", "")
        found[name] = RemoteFile(
            f"{hub_url}/{repository}/resolve/{quote(str(revision or 'main'), safe='')}/{name}",
            name,
            size if isinstance(size, int) else None,
            digest if isinstance(digest, str) else "",
        )
    missing = [name for name in _NEEDED if name not in found]
    if missing or not any(name.startswith("vocabulary.") for name in found):
        raise DownloadFailed(
            "{repository} lacks {files}",
            repository=repository,
            files=", ".join(missing) or "vocabulary",
            code="stt_hub_incomplete",
        )
    return sorted(found.values(), key=lambda file: (file.name == "model.bin", file.name))


def _vosk_archive(answer: object, name: str) -> RemoteFile:
    """Size and checksum of an archive from the site's own list; without them where the list does not have it."""
    for item in answer if isinstance(answer, list) else ():
        if isinstance(item, dict) and item.get("name") == name:
            size, md5 = item.get("size"), item.get("md5")
            return RemoteFile(
                "", name, size if isinstance(size, int) else None, md5 if isinstance(md5, str) and len(md5) == 32 else "", "md5"
            )
    return RemoteFile("", name)


def _install(ready: Path, target: Path) -> None:
    """Move a finished model to its place in one step, if it is one."""
    if engine_of(ready) is None:
        shutil.rmtree(ready, ignore_errors=True)
        raise DownloadFailed("What has arrived is not a recognition model", code="stt_not_a_model")
    if target.exists():
        shutil.rmtree(target)
    os.replace(ready, target)
