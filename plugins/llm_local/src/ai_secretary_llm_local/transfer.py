"""One file over HTTP into a `.part` beside its final name: resumed by Range, checked by SHA-256, moved into place when whole."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import json
import os
import random
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import structlog

from ai_secretary.i18n import N_
from ai_secretary_llm_local.errors import DownloadFailed, HubError
from ai_secretary_llm_local.gguf import MAGIC
from ai_secretary_llm_local.hub import MAX_REDIRECTS, Hub, next_hop, sha256_in

log = structlog.get_logger(__name__)

Progress = Callable[[int, int | None, str], Awaitable[None]]
"""(bytes there, bytes in all, English message id)."""

_PIECE = 1 << 20
_ATTEMPTS = 8
"""In a row without a single new byte."""
_LONGEST_WAIT_S = 60.0
_DISK_RESERVE = 256 << 20
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})


class _Again(Exception):
    """This attempt is over, the next one may succeed. `wait` seconds if the server said so; `fresh`: from the first byte."""

    def __init__(self, why: str, *, wait: float | None = None, fresh: bool = False) -> None:
        self.wait = wait
        self.fresh = fresh
        super().__init__(why)


@dataclass(slots=True)
class Part:
    """A file on its way: the bytes in `<name>.part`, what is known of them in `<name>.part.json`."""

    final: Path

    @property
    def path(self) -> Path:
        return self.final.with_name(self.final.name + ".part")

    @property
    def notes(self) -> Path:
        return self.final.with_name(self.final.name + ".part.json")

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)

    def read_notes(self) -> dict[str, str]:
        try:
            notes = json.loads(self.notes.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {str(key): str(value) for key, value in notes.items()} if isinstance(notes, dict) else {}

    def write_notes(self, **notes: str) -> None:
        self.notes.write_text(json.dumps(notes), encoding="utf-8")


class _Sink:
    """Appends to the part and keeps the digest of all of it. Its methods block."""

    def __init__(self, part: Part, *, fresh: bool) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        part.path.parent.mkdir(parents=True, exist_ok=True)
        # Nothing may write through a link that somebody put there.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_TRUNC if fresh else 0)
        # Unbuffered: a full disk shows at the write that does not fit, not later.
        self._file = os.fdopen(os.open(part.path, flags, 0o644), "r+b", buffering=0)
        while piece := self._file.read(_PIECE):
            self.digest.update(piece)
            self.size += len(piece)

    def write(self, data: bytes) -> None:
        if self.size == 0 and len(data) >= len(MAGIC) and data[: len(MAGIC)] != MAGIC:
            raise DownloadFailed(
                "What the server sends is not a model file",
                code="not_a_model",
                hint="The address may lead to a web page. Choose the file itself.",
            )
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            self.digest.update(view[:written])
            self.size += written
            view = view[written:]

    def close(self) -> None:
        os.fsync(self._file.fileno())
        self._file.close()


@dataclass(slots=True)
class Transfer:
    """One download. `run` may be called again after any interruption and goes on where it stopped."""

    hub: Hub
    url: str
    part: Part
    pinned: str = ""
    """Digest that the caller insists on."""
    told: str = ""
    """Digest that the hub gave at the last attempt."""
    stopping: Callable[[], bool] = lambda: False
    progress: Progress | None = None
    check: Callable[[Path], Awaitable[None]] | None = None
    """Looks at the whole file before it gets its name; raises `DownloadFailed` to have it thrown away."""
    first_wait_s: float = 1.0
    """Pause before the second attempt; it doubles from attempt to attempt."""
    total: int | None = None
    disk_free: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free

    async def run(self) -> str | None:
        """Fetch, check and move into place; returns the digest, or None when `stopping` said so.

        Raises `DownloadFailed`.
        """
        failures, mismatches, wait = 0, 0, self.first_wait_s
        fresh = False
        timeout = aiohttp.ClientTimeout(total=None, connect=30, sock_read=60)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as session:
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
                            "The download broke off {count} times in a row: {why}",
                            code="hub_unreachable",
                            count=failures,
                            why=str(again),
                            hint="What has arrived is kept. Check the connection and go on with the download.",
                        ) from again
                    log.info("download_interrupted", url=_shown(self.url), why=str(again), attempt=failures)
                    pause = again.wait if again.wait is not None else wait * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
                    wait = min(wait * 2, _LONGEST_WAIT_S)
                    if not await self._sleep(min(pause, _LONGEST_WAIT_S)):
                        return None
                    continue
                if digest is None:
                    return None
                expected = self.pinned or self.told
                if expected and digest != expected:
                    await asyncio.to_thread(self.part.remove)
                    mismatches += 1
                    if mismatches > 1:
                        raise DownloadFailed(
                            "The file arrived damaged twice: its checksum is not the one that the hub gives",
                            code="checksum_mismatch",
                            hint="The file was thrown away. Try again later, or choose another file.",
                        )
                    log.warning("download_checksum_mismatch", url=_shown(self.url))
                    continue
                if self.check is not None:
                    try:
                        await self.check(self.part.path)
                    except DownloadFailed:
                        await asyncio.to_thread(self.part.remove)
                        raise
                await asyncio.to_thread(self._finish)
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
                    self.total = have
                    return await self._digest_of_part()
                raise _Again("the server has less than has arrived", fresh=True)
            resumed = response.status == 206 and have > 0
            if resumed and not _continues(response.headers.get("content-range", ""), have):
                raise _Again("the server sent another range than asked for", fresh=True)
            self._note_total(response, have if resumed else 0)
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
        """Follow redirects by hand: each hop is checked, and the hub's key does not travel along."""
        url = self.url
        for _ in range(MAX_REDIRECTS):
            headers = self.hub.headers_for(url)
            if have:
                headers["range"] = f"bytes={have}-"
                if validator := notes.get("validator"):
                    headers["if-range"] = validator
            response = await session.get(url, headers=headers, allow_redirects=False)
            if digest := sha256_in(response.headers):
                self.told = digest
            if response.status in {301, 302, 303, 307, 308}:
                location = response.headers.get("location", "")
                response.close()
                try:
                    url = next_hop(url, location)
                except HubError as error:
                    raise DownloadFailed(error.template, code=error.code) from error
                continue
            if response.status in {200, 206, 416}:
                return response
            response.close()
            raise _refused(response.status, response.headers.get("retry-after"))
        raise DownloadFailed("The hub redirects in a circle", code="bad_redirect")

    def _note_total(self, response: aiohttp.ClientResponse, start: int) -> None:
        length = response.headers.get("content-length", "")
        self.total = start + int(length) if length.isdigit() else self.total

    async def _check_disk(self, have: int) -> None:
        if self.total is None:
            return
        folder = self.part.final.parent
        await asyncio.to_thread(lambda: folder.mkdir(parents=True, exist_ok=True))
        free = await asyncio.to_thread(self.disk_free, folder)
        missing = self.total - have
        if missing + _DISK_RESERVE > free:
            raise DownloadFailed(
                "There is not enough room on the disk: {missing} GB are still to come, {free} GB are free",
                code="disk_full",
                missing=f"{missing / (1 << 30):.1f}",
                free=f"{free / (1 << 30):.1f}",
                hint="Delete a model that nobody uses and go on with the download; what has arrived is kept.",
            )

    async def _open_sink(self, *, fresh: bool) -> _Sink:
        try:
            return await asyncio.to_thread(lambda: _Sink(self.part, fresh=fresh))
        except OSError as error:
            raise DownloadFailed("The file cannot be written: {error}", code="disk_error", error=str(error)) from error

    async def _receive(self, response: aiohttp.ClientResponse, sink: _Sink) -> str | None:
        buffer = bytearray()
        stopped = False
        try:
            try:
                async for piece in response.content.iter_any():
                    buffer += piece
                    if len(buffer) >= _PIECE:
                        await self._write(sink, buffer)
                    if self.stopping():
                        stopped = True
                        break
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                raise _Again(str(error) or type(error).__name__) from error
            finally:
                await self._write(sink, buffer)
        finally:
            await asyncio.to_thread(sink.close)
        if stopped:
            return None
        if self.total is not None and sink.size < self.total:
            raise _Again("the connection ended early")
        if self.total is not None and sink.size > self.total:
            raise _Again("the server sent more than it announced", fresh=True)
        return sink.digest.hexdigest()

    async def _write(self, sink: _Sink, buffer: bytearray) -> None:
        if not buffer:
            return
        data = bytes(buffer)
        buffer.clear()
        try:
            await asyncio.to_thread(sink.write, data)
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise DownloadFailed(
                    "The disk is full: the file does not fit",
                    code="disk_full",
                    hint="Delete a model that nobody uses and go on with the download; what has arrived is kept.",
                ) from error
            raise DownloadFailed("The file cannot be written: {error}", code="disk_error", error=str(error)) from error
        if self.progress is not None:
            await self.progress(sink.size, self.total, "")

    async def _digest_of_part(self) -> str:
        sink = await self._open_sink(fresh=False)
        await asyncio.to_thread(sink.close)
        return sink.digest.hexdigest()

    def _finish(self) -> None:
        os.replace(self.part.path, self.part.final)
        self.part.notes.unlink(missing_ok=True)
        descriptor = os.open(self.part.final.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _validator(response: aiohttp.ClientResponse) -> str:
    """What `If-Range` needs: a strong entity tag, else the time of the last change, else nothing."""
    etag = response.headers.get("etag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("last-modified", "")


def _continues(content_range: str, have: int) -> bool:
    unit, _, rest = content_range.strip().partition(" ")
    start, dash, _ = rest.partition("-")
    return unit.lower() == "bytes" and dash == "-" and start.strip() == str(have)


def _refused(status: int, retry_after: str | None) -> Exception:
    if status in _RETRY_STATUS:
        return _Again(f"HTTP {status}", wait=float(retry_after) if retry_after and retry_after.isdigit() else None)
    if status == 404:
        return DownloadFailed(
            "The hub has no such file", code="hub_not_found", hint="It may have been renamed. Choose it from the repository."
        )
    if status in {401, 403}:
        return DownloadFailed(
            "The hub does not give this file to strangers",
            code="hub_refused",
            hint="Accept the model's terms on the hub's site, make an access key there and enter it in the settings.",
        )
    return DownloadFailed("The hub answered with an error (HTTP {status})", status=status)


def _shown(url: str) -> str:
    """Without the query, which may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"
