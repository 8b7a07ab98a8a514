"""Memory of this machine and of models: what is free, what a model will take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP_V2 = Path("/sys/fs/cgroup")
_RUNTIME = 110 << 20
"""Bytes of the process itself: interpreter, llama.cpp, small buffers (measured: 100-115 MB)."""
_COMPUTE_PER_WIDTH = 512 * 4 * 24
"""Compute buffers: a batch of 512 tokens, 4-byte floats, some two dozen activations as wide as the model."""


@dataclass(slots=True, frozen=True)
class Memory:
    """Bytes."""

    total: int
    free: int


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def machine_memory() -> Memory:
    """Total and free memory, the limit of a container included; page cache counts as free."""
    figures = psutil.virtual_memory()
    total, free = int(figures.total), int(figures.available)
    limit, used = _number(_CGROUP_V2 / "memory.max"), _number(_CGROUP_V2 / "memory.current")
    if limit is not None and used is not None and limit < total:
        cached = 0
        try:
            for line in (_CGROUP_V2 / "memory.stat").read_text().splitlines():
                name, _, value = line.partition(" ")
                if name in {"inactive_file", "active_file"}:
                    cached += int(value)
        except (OSError, ValueError):
            cached = 0
        total, free = limit, min(free, max(limit - used + cached, 0))
    return Memory(total, free)


def estimate(*, file_size: int, kv_bytes_per_token: int, context: int, parallel: int, width: int, prompt_cache: int) -> int:
    """Bytes that a model will take, once loaded and busy; errs on the high side.

    `context` is in tokens per request, `width` is the embedding length.
    """
    return file_size + kv_bytes_per_token * context * parallel + width * _COMPUTE_PER_WIDTH + prompt_cache + _RUNTIME


def process_memory(pid: int) -> int:
    """Resident bytes of a process, 0 if it is gone."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
