"""A file on its way: `<name>.part` with the bytes, `<name>.part.json` with what is known of them. Everything here blocks."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Algorithm = Literal["sha256", "md5"]

PIECE: Final = 1 << 20
_SUFFIX: Final = ".part"


@dataclass(slots=True, frozen=True)
class Part:
    """Of the file that will be called `final`."""

    final: Path

    @property
    def path(self) -> Path:
        return self.final.with_name(self.final.name + _SUFFIX)

    @property
    def notes(self) -> Path:
        return self.final.with_name(self.final.name + _SUFFIX + ".json")

    def size(self) -> int:
        """Bytes."""
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

    def finish(self) -> None:
        """Give the whole file its name, for good."""
        os.replace(self.path, self.final)
        self.notes.unlink(missing_ok=True)
        descriptor = os.open(self.final.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Sink:
    """Appends to a part and keeps the digest of all of it; what is there already is read first.

    `check_head` gets the first bytes of the file before they are written, and raises to refuse them.
    """

    def __init__(
        self, part: Part, *, fresh: bool, algorithm: Algorithm = "sha256", check_head: Callable[[bytes], None] | None = None
    ) -> None:
        self.size = 0
        self._check_head = check_head
        self._digest = hashlib.new(algorithm, usedforsecurity=False)
        # The thread of a cancelled write may still be at it when the file is closed.
        self._lock = threading.Lock()
        part.path.parent.mkdir(parents=True, exist_ok=True)
        # Nothing may write through a link that somebody put there.
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | (os.O_TRUNC if fresh else 0)
        # Unbuffered: a full disk shows at the write that does not fit, not later.
        self._file = os.fdopen(os.open(part.path, flags, 0o644), "r+b", buffering=0)
        while piece := self._file.read(PIECE):
            self._digest.update(piece)
            self.size += len(piece)

    def write(self, data: bytes) -> None:
        with self._lock:
            if self.size == 0 and self._check_head is not None:
                self._check_head(data)
            view = memoryview(data)
            while view:
                written = self._file.write(view)
                self._digest.update(view[:written])
                self.size += written
                view = view[written:]

    def close(self) -> None:
        with self._lock:
            os.fsync(self._file.fileno())
            self._file.close()

    def hexdigest(self) -> str:
        return self._digest.hexdigest()


def sweep(folder: Path, wanted: Container[str]) -> list[str]:
    """Remove the parts in a folder that belong to none of the `wanted` final names; returns the names of the parts removed."""
    gone = []
    for path in folder.glob(f"*{_SUFFIX}") if folder.is_dir() else ():
        name = path.name.removesuffix(_SUFFIX)
        if name not in wanted:
            Part(path.with_name(name)).remove()
            gone.append(path.name)
    return gone
