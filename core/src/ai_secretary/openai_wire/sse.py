"""Server-sent events, cut out of a byte stream whose chunks may end anywhere."""

from __future__ import annotations

from ai_secretary.errors import ProviderError

MAX_EVENT_BYTES = 16 * 1024 * 1024


class SSEDecoder:
    """Feed bytes as they come, get the `data` of each finished event.

    Follows the WHATWG event-stream grammar (LF, CRLF and CR line ends, comments, several `data` lines, a byte order mark); other
    fields are of no use here and skipped. UTF-8 needs no care: bytes are only decoded when an event is whole.
    """

    __slots__ = ("_after_cr", "_data", "_partial", "_size", "_started")

    def __init__(self) -> None:
        self._partial = b""
        self._data: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._started = False

    def feed(self, chunk: bytes) -> list[bytes]:
        if self._after_cr and chunk:
            # The CR at the end of the last chunk has ended a line already; its LF must not end another.
            self._after_cr = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._after_cr = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        text = self._partial + chunk if self._partial else chunk
        lines = text.split(b"\n")
        self._partial = lines.pop()
        if not self._started and (lines or len(self._partial) > 3):
            self._started = True
            if lines:
                lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")
            else:
                self._partial = self._partial.removeprefix(b"\xef\xbb\xbf")
        if len(self._partial) + self._size > MAX_EVENT_BYTES:
            raise ProviderError("The model server sent an event that is too large", code="bad_reply")
        events: list[bytes] = []
        for line in lines:
            if not line:
                if self._data:
                    events.append(self._take())
            elif line.startswith(b"data:"):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._size += len(value)
        return events

    def finish(self) -> list[bytes]:
        """What is left when the stream ends: some servers forget the last blank line."""
        rest = self.feed(b"\n\n") if self._partial else []
        if self._data:
            rest.append(self._take())
        return rest

    def _take(self) -> bytes:
        event = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        return event
