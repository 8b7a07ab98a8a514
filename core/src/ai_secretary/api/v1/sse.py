"""Streams that pass through: where they end, and the usage chunk that the client did not ask for."""

from __future__ import annotations

import re

DONE = b"data: [DONE]\n\n"
_DONE = re.compile(rb"[\r\n](data: ?\[DONE\])")
_NO_CHOICES = (b'"choices":[]', b'"choices": []')
_EVENT_END = re.compile(rb"\r?\n\r?\n")


class DoneFinder:
    """Finds the end mark in a stream of chunks that may be cut anywhere."""

    __slots__ = ("_tail",)

    def __init__(self) -> None:
        self._tail = b"\n"

    def find(self, chunk: bytes) -> int:
        """Where in `chunk` the end mark begins (0 if it began in an earlier chunk), or -1."""
        tail = self._tail
        if len(tail) == 1 and b"[DONE]" not in chunk:
            self._tail = b"\n" if chunk.endswith(b"\n") else (tail + chunk)[-16:]
            return -1
        match = _DONE.search(tail + chunk)
        if match is not None:
            return max(match.start(1) - len(tail), 0)
        self._tail = b"\n" if chunk.endswith(b"\n") else (tail + chunk)[-16:]
        return -1


class UsageStripper:
    """Takes the events without choices out of a stream: clients that did not ask for usage break on them."""

    __slots__ = ("_partial",)

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, chunk: bytes) -> bytes:
        """What may be sent now: whole events, without those that have no choices."""
        data = self._partial + chunk if self._partial else chunk
        if data.endswith((b"\n\n", b"\r\n\r\n")):
            self._partial = b""
        else:
            lf, crlf = data.rfind(b"\n\n"), data.rfind(b"\r\n\r\n")
            cut = max(lf + 2 if lf >= 0 else 0, crlf + 4 if crlf >= 0 else 0)
            self._partial = data[cut:]
            data = data[:cut]
        if _NO_CHOICES[0] not in data and _NO_CHOICES[1] not in data:
            return data
        kept: list[bytes] = []
        start = 0
        for end in _EVENT_END.finditer(data):
            event = data[start : end.end()]
            start = end.end()
            if not _without_choices(event):
                kept.append(event)
        return b"".join(kept)

    def finish(self) -> bytes:
        """What is left at the end of the stream."""
        rest, self._partial = self._partial, b""
        return b"" if _without_choices(rest) else rest


def _without_choices(event: bytes) -> bool:
    return (_NO_CHOICES[0] in event or _NO_CHOICES[1] in event) and b'"error"' not in event
