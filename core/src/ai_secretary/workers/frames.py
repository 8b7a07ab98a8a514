"""What the two sides say to each other: msgpack arrays, each after its length (4 bytes, little-endian), over one socket pair."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import msgspec

LENGTH = struct.Struct("<I")
MAX_FRAME = 512 * 1024 * 1024
"""Bytes; a longer frame is refused by its sender."""


class _Frame(msgspec.Struct, array_like=True):
    """Base: a frame is an array whose first element is its tag."""


# ---- parent to child ----


class Init(_Frame, tag=1):
    """First frame: what to construct (`package.module:Class`), and how many methods may run at once."""

    target: str
    params: dict[str, Any]
    concurrency: int


class Request(_Frame, tag=2):
    """Run a method. `window` is 0 for a call; for a stream, how many bytes of items may be under way unread."""

    id: int
    method: str
    params: dict[str, Any]
    window: int


class Credit(_Frame, tag=3):
    """The reader of a stream took that many bytes; the child may send as many more."""

    id: int
    size: int


class Cancel(_Frame, tag=4):
    id: int


class Ping(_Frame, tag=5):
    pass


class Stop(_Frame, tag=6):
    """Finish: running methods get `grace_s` seconds to notice their cancellation."""

    grace_s: float


# ---- child to parent ----


class Ready(_Frame, tag=10):
    pass


class Result(_Frame, tag=11):
    id: int
    value: Any


class Item(_Frame, tag=12):
    id: int
    value: Any


class End(_Frame, tag=13):
    id: int


class Failure(_Frame, tag=14):
    """A method failed (`id` 0: the construction did). `kind` is the name of an error class of `ai_secretary.errors`, or empty."""

    id: int
    kind: str
    template: str
    params: dict[str, Any]
    code: str
    hint: str
    field: str | None
    traceback: str


class Pong(_Frame, tag=15):
    pass


ToChild = Init | Request | Credit | Cancel | Ping | Stop
FromChild = Ready | Result | Item | End | Failure | Pong

_encoder = msgspec.msgpack.Encoder()
to_child: msgspec.msgpack.Decoder[ToChild] = msgspec.msgpack.Decoder(ToChild)
from_child: msgspec.msgpack.Decoder[FromChild] = msgspec.msgpack.Decoder(FromChild)


def encode(frame: ToChild | FromChild) -> bytes:
    """One frame with its length. Raises TypeError for a value that msgpack does not know, ValueError for one too long."""
    body = _encoder.encode(frame)
    if len(body) > MAX_FRAME:
        raise ValueError(f"a message of {len(body)} bytes is longer than the {MAX_FRAME} that a worker takes")
    return LENGTH.pack(len(body)) + body


class FrameBuffer:
    """Cuts the bytes that come from the child into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[FromChild, int]]:
        """Each complete frame and its size in bytes."""
        buffer = self._buffer
        buffer += data
        start, length = 0, LENGTH.size
        while len(buffer) - start >= length:
            (size,) = LENGTH.unpack_from(buffer, start)
            end = start + length + size
            if len(buffer) < end:
                break
            with memoryview(buffer) as view:
                frame = from_child.decode(view[start + length : end])
            start = end
            yield frame, size
        del buffer[:start]
