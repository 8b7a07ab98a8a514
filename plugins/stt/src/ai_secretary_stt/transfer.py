"""One file over HTTP: resumed where it stopped, checked, and never under its final name before it is whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import aiohttp
import structlog

from ai_secretary.errors import ProviderError

log = structlog.get_logger(__name__)

_PIECE: Final = 1 << 20
_ATTEMPTS: Final = 6
"""In a row without a single new byte."""
_DISK_RESERVE: Final = 256 << 20
_REDIRECTS: Final = 6
Progress = Callable[[int, int | None], Awaitable[None]]


class DownloadFailed(ProviderError):
    default_code = "stt_download_failed"


@dataclass(slots=True, frozen=True)
class RemoteFile:
    """`size` and `digest` (of the kind `algorithm`) where the server told them beforehand."""

    url: str
    name: str
    size: int | None = None
    digest: str = ""
    algorithm: str = "sha256"


class _Again(Exception):
    """The connection failed; another attempt may go better."""


class Transfer:
    """Fetches files in one HTTP session. `retry_wait_s`: the first pause between attempts; it doubles."""

    def __init__(self, user_agent: str, *, retry_wait_s: float = 1.0) -> None:
        self._headers = {"User-Agent": user_agent}
        self._retry_wait_s = retry_wait_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Transfer:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=20, sock_read=60)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers, trust_env=True)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def json(self, url: str) -> object:
        """A small JSON document. Raises `DownloadFailed`."""
        assert self._session is not None
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=30)) as response:
                _check_status(response, url)
                return await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError, OSError) as error:
            raise _unreachable(url, error) from error

    async def fetch(self, file: RemoteFile, folder: Path, progress: Progress, check_stop: Callable[[], None]) -> Path:
        """The file in `folder`, whole and checked. A `.part` from before is gone on with.

        `check_stop` is called between pieces and raises to stop; the part stays. Raises `DownloadFailed`.
        """
        final, part = folder / file.name, folder / f"{file.name}.part"
        if await asyncio.to_thread(final.is_file):
            size = (await asyncio.to_thread(final.stat)).st_size
            await progress(size, size)
            return final
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        failures, wait, damaged = 0, self._retry_wait_s, False
        while True:
            before = await asyncio.to_thread(_size, part)
            try:
                await self._attempt(file, part, before, progress, check_stop)
                break
            except _Again as error:
                failures = 0 if await asyncio.to_thread(_size, part) > before else failures + 1
                if failures >= _ATTEMPTS:
                    raise _unreachable(file.url, error) from error
                log.info("stt_download_interrupted", file=file.name, error=str(error), attempt=failures)
                await _pause(wait, check_stop)
                wait = min(wait * 2, 30.0)
                continue
            except _Damaged:
                if damaged:
                    raise DownloadFailed(
                        "{name} has arrived damaged twice: its checksum is not the announced one",
                        name=file.name,
                        code="stt_checksum",
                        hint="Try again later, or set another address in the options.",
                    ) from None
                damaged = True
        await asyncio.to_thread(_finish, part, final)
        return final

    async def _attempt(self, file: RemoteFile, part: Path, have: int, progress: Progress, check_stop: Callable[[], None]) -> None:
        assert self._session is not None
        headers = {"Range": f"bytes={have}-", "Accept-Encoding": "identity"} if have else {"Accept-Encoding": "identity"}
        try:
            async with self._session.get(file.url, headers=headers, max_redirects=_REDIRECTS) as response:
                if response.status == 416:
                    # We may have all of it: the check below tells.
                    await self._verify(file, part, have)
                    return
                _check_status(response, file.url)
                if have and (response.status != 206 or not _continues(response, have)):
                    have = 0
                    await asyncio.to_thread(part.unlink, missing_ok=True)
                    if response.status == 206:
                        raise _Again("the server sent another range than asked for")
                length = response.headers.get("Content-Length", "")
                total = file.size if file.size is not None else have + int(length) if length.isdigit() else None
                await asyncio.to_thread(_check_disk, part.parent, total, have)
                have = await self._receive(response, part, have, total, progress, check_stop)
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise _Again(str(error) or type(error).__name__) from error
        if total is not None and have < total:
            raise _Again("the connection ended early")
        await self._verify(file, part, total)

    async def _receive(
        self,
        response: aiohttp.ClientResponse,
        part: Path,
        have: int,
        total: int | None,
        progress: Progress,
        check_stop: Callable[[], None],
    ) -> int:
        output = await asyncio.to_thread(part.open, "ab")
        try:
            async for data in response.content.iter_chunked(_PIECE):
                try:
                    await asyncio.to_thread(output.write, data)
                except OSError as error:
                    raise _disk(error) from error
                have += len(data)
                await progress(have, total)
                check_stop()
        finally:
            try:
                await asyncio.to_thread(output.close)
            except OSError as error:
                raise _disk(error) from error
        return have

    @staticmethod
    async def _verify(file: RemoteFile, part: Path, size: int | None) -> None:
        """Size and checksum as announced; a file that is not is thrown away."""
        actual = await asyncio.to_thread(_size, part)
        expected = file.size if file.size is not None else size
        good = expected is None or actual == expected
        if good and file.digest:
            good = await asyncio.to_thread(_digest, part, file.algorithm) == file.digest.lower()
        if not good:
            await asyncio.to_thread(part.unlink, missing_ok=True)
            raise _Damaged


class _Damaged(Exception):
    """What has arrived is not what was announced."""


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _finish(part: Path, final: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, final)


def _check_disk(folder: Path, total: int | None, have: int) -> None:
    free = shutil.disk_usage(folder).free
    missing = (total or 0) - have
    if missing + _DISK_RESERVE > free:
        raise DownloadFailed(
            "There is not enough room on the disk: {missing} MB are still to come, {free} MB are free",
            missing=missing >> 20,
            free=free >> 20,
            code="stt_disk_full",
            hint="Delete a model that nobody uses and go on; what has arrived is kept.",
        )


def _disk(error: OSError) -> DownloadFailed:
    return DownloadFailed(
        "The file cannot be written: {error}", error=error.strerror or str(error), code="stt_disk",
        hint="Free some room and go on; what has arrived is kept.",
    )  # fmt: skip


def _continues(response: aiohttp.ClientResponse, have: int) -> bool:
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    return unit == "bytes" and rest.startswith(f"{have}-")


def _check_status(response: aiohttp.ClientResponse, url: str) -> None:
    if response.status in {408, 425, 429} or response.status >= 500:
        raise _Again(f"HTTP {response.status}")
    if response.status not in {200, 206}:
        raise DownloadFailed(
            "{host} does not have the file (HTTP {status})",
            host=urlsplit(url).netloc,
            status=response.status,
            code="stt_download_refused",
            hint="Check the addresses of the models in the options.",
        )


def _unreachable(url: str, error: BaseException) -> DownloadFailed:
    return DownloadFailed(
        "{host} cannot be reached: {error}",
        host=urlsplit(url).netloc,
        error=str(error) or type(error).__name__,
        code="stt_unreachable",
        hint="Check the connection and go on; what has arrived is kept.",
    )


async def _pause(seconds: float, check_stop: Callable[[], None]) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        check_stop()
        await asyncio.sleep(min(left, 0.2))
    check_stop()
