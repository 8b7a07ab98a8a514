"""Downloads as durable work: what to fetch, the job's handler, what is left behind and cleaned up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import structlog
from pydantic import BaseModel, Field, ValidationError

from ai_secretary.downloads import DownloadFailed, Orders, Part, Transfer, sweep
from ai_secretary.downloads.hub import check_repo, check_revision
from ai_secretary.jobs import Job, JobContext, Jobs
from ai_secretary_llm_local.catalogue import CatalogueEntry
from ai_secretary_llm_local.errors import AlreadyThere
from ai_secretary_llm_local.gguf import MAGIC, GgufError, read_head
from ai_secretary_llm_local.hub import GgufHub, all_parts, check_file, check_url, file_name
from ai_secretary_llm_local.options import LocalModelOptions

log = structlog.get_logger(__name__)

KIND = "download"
JOB_KIND = f"llm_local.{KIND}"


class WantedFile(BaseModel):
    """One file of an order."""

    name: str
    """Name in our own folder."""
    url: str = ""
    """A direct address, or empty: then `repo`, `file` and `revision` of the hub as it is set when the job runs."""
    repo: str = ""
    file: str = ""
    revision: str = "main"
    sha256: str = Field("", pattern=r"^([0-9a-f]{64})?$")


class Order(BaseModel):
    """The payload of a download."""

    title: str
    files: list[WantedFile] = Field(min_length=1, max_length=200)


def order_from_hub(repo: str, name: str, *, title: str = "", revision: str = "main", sha256: str = "") -> Order:
    """A file of a repository; of a split model all parts. Raises `InvalidInput`."""
    repo, name, revision = check_repo(repo), check_file(name), check_revision(revision)
    parts = all_parts(name)
    return Order(
        title=title or f"{repo.partition('/')[2]} · {file_name(name)}",
        files=[
            WantedFile(name=file_name(part), repo=repo, file=part, revision=revision, sha256=sha256 if len(parts) == 1 else "")
            for part in parts
        ],
    )


def order_from_entry(entry: CatalogueEntry) -> Order:
    return order_from_hub(entry.repo, entry.file, title=entry.title)


def order_from_url(url: str, *, sha256: str = "") -> Order:
    """A direct address. Raises `InvalidInput`."""
    address = check_url(url)
    name = file_name(address.partition("?")[0])
    return Order(title=name, files=[WantedFile(name=name, url=address, sha256=sha256)])


def _names(payload: dict[str, Any]) -> list[str]:
    files = payload.get("files")
    return [str(file.get("name", "")) for file in files if isinstance(file, dict)] if isinstance(files, list) else []


def _first_name(job: Job) -> str:
    return next(iter(_names(job.payload)), job.id)


class Downloads:
    """Places orders and carries them out."""

    def __init__(
        self,
        folder: Path,
        options: Callable[[], LocalModelOptions],
        jobs: Jobs,
        *,
        user_agent: str = "ai-secretary",
        on_finished: Callable[[], Awaitable[None]] | None = None,
        first_wait_s: float = 1.0,
    ) -> None:
        self.folder = folder
        self._options = options
        self.orders = Orders(jobs, JOB_KIND, self._carry_out, self._forget)
        self._user_agent = user_agent
        self._on_finished = on_finished
        self._first_wait_s = first_wait_s

    @property
    def hub(self) -> GgufHub:
        return GgufHub(self._options(), user_agent=self._user_agent)

    async def order(self, order: Order) -> Job:
        """Start a download; the same one twice is one job. Raises `AlreadyThere`."""
        first = self.folder / order.files[0].name
        there = await asyncio.to_thread(lambda: all((self.folder / file.name).exists() for file in order.files))
        if there:
            raise AlreadyThere(
                "{name} is already in the model folder", name=first.name, hint="Delete the file first to download it again."
            )
        return await self.orders.place(order.model_dump(), title=order.title, key=first.name)

    async def list(self) -> list[Job]:
        """What is on its way or could go on, newest first; of one file only the latest."""
        latest = await self.orders.latest(_first_name)
        return [job for job in latest.values() if job.state in {"queued", "running", "paused", "failed"}]

    async def _carry_out(self, context: JobContext) -> dict[str, Any]:
        """Goes on where an earlier run stopped. Raises `DownloadFailed`."""
        try:
            order = Order.model_validate(context.payload)
        except ValidationError as error:
            raise DownloadFailed("The download's order cannot be read", code="bad_order") from error
        hub = self.hub
        finished_bytes, digests = 0, {}
        for wanted in order.files:
            final = self._inside(wanted.name)
            if await asyncio.to_thread(final.exists):
                finished_bytes += (await asyncio.to_thread(final.stat)).st_size
                continue
            transfer = self._transfer(context, hub, wanted, final, finished_bytes, single=len(order.files) == 1)
            digests[wanted.name] = await transfer.run_for(context)
            finished_bytes += (await asyncio.to_thread(final.stat)).st_size
        await context.progress(finished_bytes, finished_bytes)
        if self._on_finished is not None:
            await self._on_finished()
        log.info("model_downloaded", title=order.title, size=finished_bytes)
        return {"files": [wanted.name for wanted in order.files], "size": finished_bytes, "sha256": digests}

    def _transfer(
        self, context: JobContext, hub: GgufHub, wanted: WantedFile, final: Path, before: int, *, single: bool
    ) -> Transfer:
        async def progress(done: int, total: int | None, message: str) -> None:
            # Of a split model only the parts so far have known sizes: a total would jump.
            await context.progress(before + done, total if single else None, message)

        return Transfer(
            source=hub,
            url=wanted.url or hub.file_url(wanted.repo, wanted.file, wanted.revision),
            part=Part(final),
            digest=wanted.sha256,
            progress=progress,
            check_head=_check_magic,
            check=self._check_model,
            first_wait_s=self._first_wait_s,
        )

    async def _check_model(self, path: Path) -> None:
        try:
            await asyncio.to_thread(read_head, path)
        except (GgufError, OSError) as error:
            raise DownloadFailed(
                "What has arrived is not a usable model: {error}", code="not_a_model", error=str(error),
                hint="The file was thrown away. Choose another one.",
            ) from error  # fmt: skip

    def _inside(self, name: str) -> Path:
        """The final path. The name was checked with the order, and is again after its way through the database."""
        if file_name(name) != name:
            raise DownloadFailed("The download's order cannot be read", code="bad_order")
        return self.folder / name

    async def _forget(self, job_id: str, payload: dict[str, Any]) -> None:
        """Remove what a cancelled download left behind."""
        # A new order for the same file may already be on its way.
        alive = {name for other in await self.list() if other.id != job_id for name in _names(other.payload)}
        for name in _names(payload):
            if name not in alive and file_name(name) == name:
                await asyncio.to_thread(Part(self.folder / name).remove)

    async def tidy(self) -> None:
        """Remove parts that belong to no download that could go on (left by a crash in the middle of a cancellation)."""
        wanted = {name for job in await self.list() for name in _names(job.payload)}
        if gone := await asyncio.to_thread(sweep, self.folder, wanted):
            log.info("orphaned_downloads_removed", files=gone)


def _check_magic(data: bytes) -> None:
    if len(data) >= len(MAGIC) and not data.startswith(MAGIC):
        raise DownloadFailed(
            "What the server sends is not a model file",
            code="not_a_model",
            hint="The address may lead to a web page. Choose the file itself.",
        )
