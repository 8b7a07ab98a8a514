"""Files over HTTP: gone on with where they stopped, checked, and under their final name only when whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Literal
from urllib.parse import urlsplit

import aiohttp
import structlog

from ai_secretary.errors import ProviderError

log = structlog.get_logger(__name__)

_PIECE: Final = 1 << 20
_RESERVE: Final = 256 << 20
"""Bytes of the disk that a download leaves free."""
_LARGEST_JSON: Final = 16 << 20

Progress = Callable[[int], Awaitable[None]]
"""Gets the bytes of this file that are here."""


class DownloadFailed(ProviderError):
    """Codes: `piper_unreachable`, `piper_refused`, `piper_checksum`, `piper_disk`, `piper_catalogue`."""

    default_code = "piper_unreachable"


@dataclass(slots=True, frozen=True)
class RemoteFile:
    """`size` in bytes and `digest` (hexadecimal) are what the catalogue announced."""

    url: str
    name: str
    size: int
    digest: str
    algorithm: Literal["md5", "sha256"]


class _Interrupted(Exception):
    """The connection failed on the way; another attempt may go better."""


class Transfer:
    """One HTTP session. `attempts` in a row that brought not one byte are the end of it."""

    def __init__(self, user_agent: str, *, attempts: int = 6, pause_s: float = 1.0) -> None:
        self._headers = {"User-Agent": user_agent}
        self._attempts = attempts
        self._pause_s = pause_s

    async def __aenter__(self) -> Transfer:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=60)
        self._session = aiohttp.ClientSession(timeout=timeout, headers=self._headers, trust_env=True)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._session.close()

    async def json(self, url: str) -> object:
        """A JSON document of up to 16 MB. Raises `DownloadFailed`."""
        try:
            async with self._session.get(url, timeout=aiohttp.ClientTimeout(total=60)) as response:
                _check_status(response.status, url)
                body = await response.content.read(_LARGEST_JSON)
                while not response.content.at_eof() and len(body) < _LARGEST_JSON:
                    body += await response.content.read(_LARGEST_JSON - len(body))
            return await asyncio.to_thread(json.loads, body)
        except (aiohttp.ClientError, TimeoutError, OSError, _Interrupted) as error:
            raise _unreachable(url, error) from error
        except ValueError as error:
            raise DownloadFailed(
                "{host} answered something that is no JSON", host=urlsplit(url).netloc, code="piper_catalogue"
            ) from error

    async def fetch(self, file: RemoteFile, folder: Path, progress: Progress, check_stop: Callable[[], None]) -> Path:
        """The file in `folder`, whole and checked. What a `.part` already holds is not fetched again.

        `check_stop` is called between pieces and raises to stop; the part stays. Raises `DownloadFailed`.
        """
        final, part = folder / file.name, folder / f"{file.name}.part"
        if await asyncio.to_thread(_is_whole, final, file):
            await progress(file.size)
            return final
        fruitless, damaged = 0, False
        while True:
            before = await asyncio.to_thread(_size, part)
            try:
                if before < file.size:
                    await asyncio.to_thread(_check_disk, folder, file.size - before)
                    await self._receive(file, part, before, progress, check_stop)
            except (aiohttp.ClientError, TimeoutError, ConnectionError, _Interrupted) as error:
                fruitless = 0 if await asyncio.to_thread(_size, part) > before else fruitless + 1
                if fruitless >= self._attempts:
                    raise _unreachable(file.url, error) from error
                log.info("piper_download_interrupted", file=file.name, error=str(error), fruitless=fruitless)
                await _wait(min(self._pause_s * 2**fruitless, 30.0), check_stop)
                continue
            if await asyncio.to_thread(_is_whole, part, file):
                await asyncio.to_thread(_finish, part, final)
                return final
            await asyncio.to_thread(part.unlink, missing_ok=True)
            if damaged:
                raise DownloadFailed(
                    "{name} arrived damaged twice: its checksum is not the announced one", name=file.name, code="piper_checksum",
                    hint="Try again later, or set another address of the catalogue in the options.",
                )  # fmt: skip
            damaged = True

    async def _receive(self, file: RemoteFile, part: Path, have: int, progress: Progress, check_stop: Callable[[], None]) -> None:
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        async with self._session.get(file.url, headers=headers) as response:
            _check_status(response.status, file.url)
            if have and not (response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")):
                have = 0  # the server begins from the beginning, and so do we
                if response.status == 206:
                    await asyncio.to_thread(part.unlink, missing_ok=True)
                    raise _Interrupted("the server sent another part than asked for")
            output = await asyncio.to_thread(part.open, "ab" if have else "wb")
            try:
                async for data in response.content.iter_chunked(_PIECE):
                    have += len(data)
                    if have > file.size:
                        break  # not the announced file: the check that follows throws it away
                    await asyncio.to_thread(_write, output, data)
                    await progress(have)
                    check_stop()
            finally:
                await asyncio.to_thread(output.close)
        if have < file.size:
            raise _Interrupted("the connection ended early")
        if have > file.size:
            await asyncio.to_thread(part.unlink, missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _is_whole(path: Path, file: RemoteFile) -> bool:
    if _size(path) != file.size:
        return False
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, file.algorithm).hexdigest() == file.digest.lower()


def _write(output: BinaryIO, data: bytes) -> None:
    try:
        output.write(data)
    except OSError as error:
        raise DownloadFailed(
            "The file cannot be written: {reason}", reason=error.strerror or str(error), code="piper_disk",
            hint="Free some room and go on; what has arrived is kept.",
        ) from error  # fmt: skip


def _finish(part: Path, final: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(part, final)


def _check_disk(folder: Path, missing: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if missing + _RESERVE > free:
        raise DownloadFailed(
            "There is not enough room on the disk: {missing} MB are to come, {free} MB are free",
            missing=missing >> 20, free=free >> 20, code="piper_disk", hint="Free some room and go on; what has arrived is kept.",
        )  # fmt: skip


def _check_status(status: int, url: str) -> None:
    if status in {408, 425, 429} or status >= 500:
        raise _Interrupted(f"HTTP {status}")
    if status not in {200, 206}:
        raise DownloadFailed(
            "{host} does not have the file (HTTP {status})", host=urlsplit(url).netloc, status=status, code="piper_refused",
            hint="Check the address of the catalogue in the options.",
        )  # fmt: skip


def _unreachable(url: str, error: BaseException) -> DownloadFailed:
    return DownloadFailed(
        "{host} cannot be reached: {reason}", host=urlsplit(url).netloc, reason=str(error) or type(error).__name__,
        hint="Check the connection and go on; what has arrived is kept.",
    )  # fmt: skip


async def _wait(seconds: float, check_stop: Callable[[], None]) -> None:
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        check_stop()
        await asyncio.sleep(min(left, 0.2))
    check_stop()
