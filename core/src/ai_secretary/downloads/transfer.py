"""One file over HTTP into a part beside its final name: resumed by Range, checked by its digest, moved into place when whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from ai_secretary.downloads.errors import DownloadFailed
from ai_secretary.downloads.part import PIECE, Algorithm, Part, Sink
from ai_secretary.downloads.sources import UNREACHABLE, PlainSource, Source, follow, without_query
from ai_secretary.i18n import N_
from ai_secretary.jobs import JobContext

log = structlog.get_logger(__name__)

Progress = Callable[[int, int | None, str], Awaitable[None]]
"""(bytes there, bytes in all, English message id)."""

_ATTEMPTS: Final = 8
"""In a row without a single new byte."""
_LONGEST_WAIT_S: Final = 60.0
_DISK_RESERVE: Final = 256 << 20
_RETRY_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
_TIMEOUT: Final = aiohttp.ClientTimeout(total=None, connect=30, sock_read=60)


class _Again(Exception):
    """This attempt is over, the next one may succeed. `wait` seconds if the server said so; `fresh`: from the first byte."""

    def __init__(self, why: str, *, wait: float | None = None, fresh: bool = False) -> None:
        self.wait = wait
        self.fresh = fresh
        super().__init__(why)


class _Damaged(Exception):
    """The file is not the announced one."""


@dataclass(slots=True)
class Transfer:
    """One download. `run` may be called again after any interruption and goes on where it stopped."""

    url: str
    part: Part
    source: Source = field(default_factory=PlainSource)
    size: int | None = None
    """Bytes, where they were announced beforehand."""
    digest: str = ""
    """Hexadecimal digest that the caller insists on, of the kind `algorithm`."""
    algorithm: Algorithm = "sha256"
    told: str = ""
    """SHA-256 that the server gave at the last attempt; counts where the caller insists on none."""
    stopping: Callable[[], bool] = lambda: False
    progress: Progress | None = None
    check_head: Callable[[bytes], None] | None = None
    """Gets the first bytes before anything is written; raises `DownloadFailed` to refuse the file."""
    check: Callable[[Path], Awaitable[None]] | None = None
    """Looks at the whole file before it gets its name; raises `DownloadFailed` to have it thrown away."""
    first_wait_s: float = 1.0
    """Pause before the second attempt; it doubles from attempt to attempt."""
    total: int | None = None
    disk_free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free

    async def arrived(self) -> bool:
        """Whether the final file is there and is the announced one."""

        def look() -> bool:
            path = self.part.final
            if not path.is_file() or (self.size is not None and path.stat().st_size != self.size):
                return False
            if not self.digest:
                return True
            with path.open("rb") as file:
                return hashlib.file_digest(file, self.algorithm).hexdigest() == self.digest.lower()

        return await asyncio.to_thread(look)

    async def run_for(self, job: JobContext) -> str:
        """`run` until somebody pauses or cancels the job. Raises `DownloadFailed`, `JobStopped`."""
        self.stopping = lambda: job.stopping
        digest = await self.run()
        if digest is None:
            job.raise_if_stopping()
            raise DownloadFailed("The download was interrupted")
        return digest

    async def run(self) -> str | None:
        """Fetch, check and move into place; returns the digest, or None when `stopping` said so.

        Raises `DownloadFailed`.
        """
        failures, mismatches, wait = 0, 0, self.first_wait_s
        fresh = False
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trust_env=True, auto_decompress=False) as session:
            while True:
                before = await asyncio.to_thread(self.part.size)
                try:
                    digest = await self._attempt(session, fresh=fresh)
                except _Again as again:
                    after = await asyncio.to_thread(self.part.size)
                    fresh = again.fresh
                    if after > before and not fresh:
                        failures, wait = 0, self.first_wait_s
                    failures += 1
                    if failures >= _ATTEMPTS:
                        raise DownloadFailed(
                            "The download from {host} broke off {count} times in a row: {why}",
                            code=UNREACHABLE,
                            host=urlsplit(self.url).netloc,
                            count=failures,
                            why=str(again),
                            hint="What has arrived is kept. Check the connection and go on with the download.",
                        ) from again
                    log.info("download_interrupted", url=without_query(self.url), why=str(again), attempt=failures)
                    pause = again.wait if again.wait is not None else wait * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                    wait = min(wait * 2, _LONGEST_WAIT_S)
                    if not await self._sleep(min(pause, _LONGEST_WAIT_S)):
                        return None
                    continue
                except _Damaged:
                    digest, good = "", False
                else:
                    expected = self.digest.lower() or (self.told if self.algorithm == "sha256" else "")
                    good = not expected or digest == expected
                if digest is None:
                    return None
                if not good:
                    await asyncio.to_thread(self.part.remove)
                    mismatches += 1
                    if mismatches > 1:
                        raise DownloadFailed(
                            "{name} arrived damaged twice: its size or checksum is not the announced one",
                            code="checksum_mismatch",
                            name=self.part.final.name,
                            hint="The file was thrown away. Try again later, or choose another one.",
                        )
                    log.warning("download_checksum_mismatch", url=without_query(self.url))
                    continue
                if self.check is not None:
                    try:
                        await self.check(self.part.path)
                    except DownloadFailed:
                        await asyncio.to_thread(self.part.remove)
                        raise
                await asyncio.to_thread(self.part.finish)
                return digest

    async def _sleep(self, seconds: float) -> bool:
        """False if somebody asked to stop meanwhile."""
        end = asyncio.get_running_loop().time() + seconds
        while (left := end - asyncio.get_running_loop().time()) > 0:
            if self.stopping():
                return False
            await asyncio.sleep(min(left, 0.2))
        return not self.stopping()

    async def _attempt(self, session: aiohttp.ClientSession, *, fresh: bool) -> str | None:
        have = 0 if fresh else await asyncio.to_thread(self.part.size)
        if have and have == self.size and self.digest:
            # All of it may be there already: its digest tells, whatever the server would say.
            return await self._digest_of_part()
        notes = await asyncio.to_thread(self.part.read_notes)
        try:
            response = await self._open(session, have, notes)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise _Again(str(error) or type(error).__name__) from error
        try:
            if response.status == 416:
                # Nothing is left to send, or the file has become shorter: what is there is checked or thrown away.
                whole = response.headers.get("content-range", "").rpartition("/")[2]
                if whole == str(have):
                    self._note_total(have)
                    return await self._digest_of_part()
                raise _Again("the server has less than has arrived", fresh=True)
            resumed = response.status == 206 and have > 0
            if resumed and not _continues(response.headers.get("content-range", ""), have):
                raise _Again("the server sent another range than asked for", fresh=True)
            length = response.headers.get("content-length", "")
            self._note_total((have if resumed else 0) + int(length) if length.isdigit() else None)
            if resumed and self.told and notes.get("sha256", "") not in {"", self.told}:
                raise _Again("the file has changed at the server", fresh=True)
            await self._check_disk(have if resumed else 0)
            if resumed and self.progress is not None:
                await self.progress(have, self.total, N_("Checking what has arrived"))
            sink = await self._open_sink(fresh=not resumed)
            await asyncio.to_thread(lambda: self.part.write_notes(url=self.url, validator=_validator(response), sha256=self.told))
            return await self._receive(response, sink)
        finally:
            response.close()

    async def _open(self, session: aiohttp.ClientSession, have: int, notes: dict[str, str]) -> aiohttp.ClientResponse:
        headers: dict[str, str] = {}
        if have:
            headers["range"] = f"bytes={have}-"
            if validator := notes.get("validator"):
                headers["if-range"] = validator

        def hear(answer: aiohttp.ClientResponse) -> None:
            self.told = self.source.told_digest(answer.headers) or self.told

        response = await follow(session, self.source, self.url, headers=headers, on_answer=hear)
        if response.status in {200, 206, 416}:
            return response
        response.close()
        if response.status in _RETRY_STATUS:
            wait = response.headers.get("retry-after", "")
            raise _Again(f"HTTP {response.status}", wait=float(wait) if wait.isdigit() else None)
        raise self.source.refusal(response.status, self.url)

    def _note_total(self, total: int | None) -> None:
        """Raises `_Damaged` if the server has a file of another size than the announced one."""
        if total is not None and self.size is not None and total != self.size:
            raise _Damaged
        self.total = total if total is not None else self.size if self.size is not None else self.total

    async def _check_disk(self, have: int) -> None:
        if self.total is None:
            return
        folder = self.part.final.parent
        await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True))
        free = await asyncio.to_thread(self.disk_free, folder)
        missing = self.total - have
        if missing + _DISK_RESERVE > free:
            raise DownloadFailed(
                "There is not enough room on the disk: {missing} GB are still to come, {free} GB are free"
                if missing >= 1 << 30
                else "There is not enough room on the disk: {missing} MB are still to come, {free} MB are free",
                code="disk_full",
                missing=f"{missing / (1 << 30):.1f}" if missing >= 1 << 30 else missing >> 20,
                free=f"{free / (1 << 30):.1f}" if missing >= 1 << 30 else free >> 20,
                hint="Free some room and go on with the download; what has arrived is kept.",
            )

    async def _open_sink(self, *, fresh: bool) -> Sink:
        try:
            return await asyncio.to_thread(
                lambda: Sink(self.part, fresh=fresh, algorithm=self.algorithm, check_head=self.check_head)
            )
        except OSError as error:
            raise _cannot_write(error) from error

    async def _receive(self, response: aiohttp.ClientResponse, sink: Sink) -> str | None:
        buffer = bytearray()
        stopped = False
        try:
            try:
                async for piece in response.content.iter_any():
                    buffer += piece
                    if len(buffer) >= PIECE:
                        await self._write(sink, buffer)
                        if self.total is not None and sink.size > self.total:
                            break
                    if self.stopping():
                        stopped = True
                        break
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise _Again(str(error) or type(error).__name__) from error
            finally:
                await self._write(sink, buffer)
        finally:
            await self._close(sink)
        if stopped:
            return None
        if self.total is not None and sink.size < self.total:
            raise _Again("the connection ended early")
        if self.size is not None and sink.size > self.size:
            raise _Damaged
        if self.total is not None and sink.size > self.total:
            raise _Again("the server sent more than it announced", fresh=True)
        return sink.hexdigest()

    async def _write(self, sink: Sink, buffer: bytearray) -> None:
        if not buffer:
            return
        data = bytes(buffer)
        buffer.clear()
        try:
            await asyncio.to_thread(sink.write, data)
        except OSError as error:
            raise _cannot_write(error) from error
        if self.progress is not None:
            await self.progress(sink.size, self.total, "")

    async def _digest_of_part(self) -> str:
        sink = await self._open_sink(fresh=False)
        await self._close(sink)
        return sink.hexdigest()

    @staticmethod
    async def _close(sink: Sink) -> None:
        try:
            await asyncio.to_thread(sink.close)
        except OSError as error:
            raise _cannot_write(error) from error


def _cannot_write(error: OSError) -> DownloadFailed:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return DownloadFailed(
            "The disk is full: the file does not fit",
            code="disk_full",
            hint="Free some room and go on with the download; what has arrived is kept.",
        )
    return DownloadFailed("The file cannot be written: {error}", code="disk_error", error=error.strerror or str(error))


def _validator(response: aiohttp.ClientResponse) -> str:
    """What `If-Range` needs: a strong entity tag, else the time of the last change, else nothing."""
    etag = response.headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("last-modified", "")


def _continues(content_range: str, have: int) -> bool:
    unit, _, rest = content_range.strip().partition(" ")
    start, dash, _ = rest.partition("-")
    return unit.lower() == "bytes" and dash == "-" and start.strip() == str(have)
