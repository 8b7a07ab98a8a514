"""Reads the head of a GGUF file: what the model is, without loading it.

Format: the GGUF specification of the ggml project, versions 2 and 3, little-endian. Everything read from the file is bounded, so
a broken or hostile file costs a clear error and never memory or time without limit.
"""

from __future__ import annotations

import mmap
import re
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ai_secretary.errors import SecretaryError

MAGIC = b"GGUF"
_MAX_ENTRIES = 4_096
_MAX_TENSORS = 65_536
_MAX_ARRAY = 4_000_000
_MAX_TEXT = 1 << 20
_MAX_KEPT_TEXT = 16 << 20
_MAX_KEPT_ARRAY = 256
_MAX_DIMENSIONS = 8

# Value types of the specification.
_U8, _I8, _U16, _I16, _U32, _I32, _F32, _BOOL, _STRING, _ARRAY, _U64, _I64, _F64 = range(13)
_SCALARS: dict[int, str] = {
    _U8: "<B", _I8: "<b", _U16: "<H", _I16: "<h", _U32: "<I", _I32: "<i", _F32: "<f", _BOOL: "<?", _U64: "<Q", _I64: "<q",
    _F64: "<d",
}  # fmt: skip

# Tensor types: (weights per block, bytes per block).
_BLOCKS: dict[int, tuple[int, int]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34), 9: (32, 36), 10: (256, 84),
    11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98),
    19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}  # fmt: skip

# `general.file_type`, the quantisation that most tensors have.
_QUANTISATIONS: dict[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K",
    19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M",
    32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip

_QUANTISATION_NAME = re.compile(r"(?i)(?:^|[-_.])(IQ\d_[A-Z]+|Q\d_K(?:_[SML])?|Q\d_[01]|BF16|F16|F32|MXFP4)(?=[-_.]|$)")
SHARD = re.compile(r"^(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$", re.IGNORECASE)

Value = str | int | float | bool | list["Value"] | None


class GgufError(SecretaryError):
    """The file cannot be used."""

    default_code: ClassVar[str] = "model_broken"


@dataclass(slots=True, frozen=True)
class GgufHead:
    """What a GGUF file says of itself."""

    architecture: str
    name: str
    parameters: int
    """Weights in this file."""
    context_length: int
    """Tokens the model was trained for; 0 if it does not say."""
    quantisation: str
    chat_template: str
    languages: tuple[str, ...]
    licence: str
    kind: str
    """`model`, `adapter`, `mmproj` or another `general.type`."""
    pooling: bool
    """Has a pooling layer: an embedding model."""
    layers: int
    kv_bytes_per_token: int
    """Bytes of the f16 key-value cache for one token."""
    embedding_length: int
    shards: int
    """Files that the model consists of."""
    size: int
    """Bytes of this file."""
    metadata: dict[str, Value] = field(default_factory=dict)


class _Reader:
    """A cursor over the mapped file that never leaves it."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.position = 0
        self.kept = 0

    def skip(self, count: int) -> None:
        self.position += count
        if self.position > len(self.data):
            raise GgufError("The file is incomplete: it ends inside its header")

    def scalar(self, kind: int) -> int | float | bool:
        layout = _SCALARS[kind]
        start = self.position
        self.skip(struct.calcsize(layout))
        value: int | float | bool = struct.unpack_from(layout, self.data, start)[0]
        return value

    def number(self, kind: int) -> int:
        return int(self.scalar(kind))

    def text(self) -> str:
        """A string; of a longer one than a megabyte only its beginning is kept."""
        length = self.number(_U64)
        start = self.position
        self.skip(length)
        self.kept += min(length, _MAX_TEXT)
        if self.kept > _MAX_KEPT_TEXT:
            raise GgufError("The header is damaged: it holds more text than any model needs")
        return self.data[start : start + min(length, _MAX_TEXT)].decode("utf-8", "replace")

    def skip_texts(self, count: int) -> None:
        # The vocabulary: hundreds of thousands of strings, so the loop stays tight.
        data, position, end = self.data, self.position, len(self.data)
        unpack = struct.Struct("<Q").unpack_from
        for _ in range(count):
            if position + 8 > end:
                break
            position += 8 + unpack(data, position)[0]
        self.position = 0
        self.skip(position)

    def value(self, kind: int, depth: int = 0) -> Value:
        if kind == _STRING:
            return self.text()
        if kind in _SCALARS:
            return self.scalar(kind)
        if kind != _ARRAY or depth > 2:
            raise GgufError("The header is damaged: unknown value type {kind}", kind=kind)
        inner = self.number(_U32)
        count = self.number(_U64)
        if count > _MAX_ARRAY:
            raise GgufError("The header is damaged: a list claims {count} entries", count=count)
        if count <= _MAX_KEPT_ARRAY:
            return [self.value(inner, depth + 1) for _ in range(count)]
        if inner == _STRING:
            self.skip_texts(count)
        elif inner in _SCALARS:
            self.skip(count * struct.calcsize(_SCALARS[inner]))
        else:
            raise GgufError("The header is damaged: unknown value type {kind}", kind=inner)
        return None


def read_head(path: Path) -> GgufHead:
    """Parse the header of one file. Blocks for milliseconds (large vocabularies: tenths of a second): call it in a thread.

    Raises `GgufError` for a file that is no GGUF, is damaged or is shorter than its tensors need, `OSError` if it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        if size < 24:
            raise GgufError("This is not a GGUF file: it has only {size} bytes", size=size)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _parse(_Reader(data), size, path.name)


def _parse(reader: _Reader, size: int, file_name: str) -> GgufHead:
    if reader.data[:4] != MAGIC:
        raise GgufError("This is not a GGUF file: its first bytes are something else")
    reader.skip(4)
    version = reader.number(_U32)
    if version not in (2, 3):
        raise GgufError("GGUF version {version} is not supported, expected 2 or 3", version=version)
    tensors, entries = reader.number(_U64), reader.number(_U64)
    if entries > _MAX_ENTRIES or tensors > _MAX_TENSORS:
        raise GgufError("The header is damaged: {tensors} tensors and {entries} entries", tensors=tensors, entries=entries)
    metadata: dict[str, Value] = {}
    for _ in range(entries):
        key = reader.text()
        metadata[key] = reader.value(reader.number(_U32))
    parameters = _check_tensors(reader, tensors, size, metadata)
    return _describe(metadata, parameters, size, file_name)


def _check_tensors(reader: _Reader, tensors: int, size: int, metadata: dict[str, Value]) -> int:
    """Count the weights and make sure that the file is long enough for all of them."""
    parameters, needed = 0, 0
    for _ in range(tensors):
        reader.text()
        dimensions = reader.number(_U32)
        if dimensions > _MAX_DIMENSIONS:
            raise GgufError("The header is damaged: a tensor has {count} dimensions", count=dimensions)
        weights = 1
        for _ in range(dimensions):
            weights *= reader.number(_U64)
        kind, offset = reader.number(_U32), reader.number(_U64)
        block, block_bytes = _BLOCKS.get(kind, (1, 0))
        needed = max(needed, offset + -(-weights // block) * block_bytes)
        parameters += weights
    alignment = _integer(metadata, "general.alignment", 32)
    if not 0 < alignment <= 65_536:
        raise GgufError("The header is damaged: alignment {alignment}", alignment=alignment)
    expected = -(-reader.position // alignment) * alignment + needed
    if size < expected:
        raise GgufError("The file is incomplete: {size} of {expected} bytes", size=size, expected=expected)
    return parameters


def _describe(metadata: dict[str, Value], parameters: int, size: int, file_name: str) -> GgufHead:
    architecture = _text(metadata, "general.architecture")
    # Of a split model only the first file describes it.
    if not architecture and _integer(metadata, "split.no", 0) == 0:
        raise GgufError("The file does not say which architecture it has")

    def own(key: str, default: int = 0) -> int:
        return _integer(metadata, f"{architecture}.{key}", default)

    embedding, layers = own("embedding_length"), own("block_count")
    heads = max(own("attention.head_count", 1), 1)
    kv_heads = own("attention.head_count_kv", heads)
    key_length = own("attention.key_length", embedding // heads)
    value_length = own("attention.value_length", embedding // heads)
    named = _QUANTISATION_NAME.search(file_name)
    file_type = metadata.get("general.file_type")
    quantisation = _QUANTISATIONS.get(file_type, "") if isinstance(file_type, int) else ""
    languages = metadata.get("general.languages")
    return GgufHead(
        architecture=architecture,
        name=_text(metadata, "general.name"),
        parameters=parameters,
        context_length=own("context_length"),
        quantisation=quantisation or (named.group(1).upper() if named else ""),
        chat_template=_text(metadata, "tokenizer.chat_template"),
        languages=tuple(str(item) for item in languages) if isinstance(languages, list) else (),
        licence=_text(metadata, "general.license"),
        kind=_text(metadata, "general.type") or "model",
        pooling=own("pooling_type") > 0,
        layers=layers,
        kv_bytes_per_token=layers * kv_heads * (key_length + value_length) * 2,
        embedding_length=embedding,
        shards=max(_integer(metadata, "split.count", 1), 1),
        size=size,
        metadata={key: value for key, value in metadata.items() if key.startswith("general.")},
    )


def _text(metadata: dict[str, Value], key: str) -> str:
    value = metadata.get(key)
    return value if isinstance(value, str) else ""


def _integer(metadata: dict[str, Value], key: str, default: int) -> int:
    """A number; where the model gives one per layer, the largest."""
    value = metadata.get(key)
    if isinstance(value, list):
        numbers = [item for item in value if isinstance(item, int)]
        return max(numbers, default=default)
    return value if isinstance(value, int) else default
