"""Identifiers: time-ordered, unguessable, safe in URLs and file names."""

from __future__ import annotations

import secrets
import time


def new_id(prefix: str) -> str:
    """`prefix_` + 12 hex digits of milliseconds since the epoch + 64 random bits, so that ids sort by creation time."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def new_ids(*prefixes: str) -> list[str]:
    """Several ids of one moment, for the price of one."""
    moment = f"{time.time_ns() // 1_000_000:012x}"
    random = secrets.token_hex(8 * len(prefixes))
    return [f"{prefix}_{moment}{random[16 * index : 16 * index + 16]}" for index, prefix in enumerate(prefixes)]
