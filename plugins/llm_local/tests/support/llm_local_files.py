"""Writes small GGUF files, and changes the header of a real one, for tests of reading and finding."""

from __future__ import annotations

import struct
from pathlib import Path

Scalar = str | int | float | bool
KINDS = {"u32": 4, "u64": 10}


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    if isinstance(value, list):
        inner = 8 if value and isinstance(value[0], str) else 4
        items = b"".join(_text(item) if inner == 8 else struct.pack("<I", item) for item in value)
        return struct.pack("<IIQ", 9, inner, len(value)) + items
    raise TypeError(type(value))


def gguf_bytes(
    metadata: dict[str, object] | None = None, *, tensors: list[tuple[str, list[int], int, int]] | None = None, data: int = 0
) -> bytes:
    """`tensors`: (name, dimensions, type, offset); `data`: bytes of weights after the header."""
    entries = {"general.architecture": "llama", **(metadata or {})}
    entries = {key: value for key, value in entries.items() if value is not None}
    parts = tensors or []
    out = b"GGUF" + struct.pack("<IQQ", 3, len(parts), len(entries))
    for key, value in entries.items():
        out += _text(key) + _value(value)
    for name, dimensions, kind, offset in parts:
        out += _text(name) + struct.pack("<I", len(dimensions)) + b"".join(struct.pack("<Q", size) for size in dimensions)
        out += struct.pack("<IQ", kind, offset)
    padding = -len(out) % 32
    return out + b"\0" * padding + b"\1" * data


def tiny_model(name: str = "Tiny", **metadata: object) -> bytes:
    """A header that describes a model with one tensor of 1024 weights, all of them there."""
    described = {
        "general.name": name,
        "general.file_type": 15,
        "llama.context_length": 2048,
        "llama.block_count": 2,
        "llama.embedding_length": 64,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "tokenizer.chat_template": "{{ messages }}{% if tools %}{% endif %}",
        **{key.replace("__", "."): value for key, value in metadata.items()},
    }
    return gguf_bytes(described, tensors=[("w", [32, 32], 0, 0)], data=4096)


def with_metadata(source: Path, target: Path, **metadata: object) -> None:
    """A copy of a real model with further entries in its header (the weights stay aligned)."""
    raw = source.read_bytes()
    version, tensors, entries = struct.unpack_from("<IQQ", raw, 4)
    extra = b"".join(_text(key.replace("__", ".")) + _value(value) for key, value in metadata.items())
    # The header must grow by a multiple of the alignment, or every tensor would move: fill up with a text entry.
    filler_head = len(_text("test.filler")) + 4 + 8
    filler = -(len(extra) + filler_head) % 32
    extra += _text("test.filler") + struct.pack("<I", 8) + _text("x" * filler)
    head = b"GGUF" + struct.pack("<IQQ", version, tensors, entries + len(metadata) + 1)
    target.write_bytes(head + extra + raw[24:])
