"""Uploaded recordings: read with a bound; their names are never looked at."""

from __future__ import annotations

from typing import Protocol

from ai_secretary.errors import TooLarge
from ai_secretary.voice.codecs import MAX_UPLOAD_BYTES

_PIECE = 256 * 1024


class Readable(Protocol):
    async def read(self, size: int = -1) -> bytes: ...


async def read_upload(file: Readable, limit: int = MAX_UPLOAD_BYTES) -> bytes:
    """All of `file`. Raises `TooLarge` (`audio_too_large`) past `limit` bytes, without reading further."""
    parts: list[bytes] = []
    size = 0
    while piece := await file.read(_PIECE):
        size += len(piece)
        if size > limit:
            raise TooLarge(
                "The audio file is larger than {limit} MB",
                limit=limit // (1024 * 1024),
                code="audio_too_large",
                field="file",
                hint="Send a compressed format (mp3, opus), or cut the recording into parts.",
            )
        parts.append(piece)
    return b"".join(parts)
