"""Fills a mirror with a voice catalogue: `voices.json` and the files that it lists."""

from __future__ import annotations

import hashlib
from typing import Any, cast

from ai_secretary.testing.mirror import Mirror


def add_voice(mirror: Mirror, key: str, model: bytes, config: bytes, *, sha256: bool = False) -> None:
    """With MD5 digests, as in the real catalogue, or with SHA-256 ones too."""
    language, name, quality = key.split("-")
    family, region = language.split("_")
    folder = f"{family}/{language}/{name}/{quality}"
    card = b"# Model card\n\n* License: CC0\n"
    files = {f"{folder}/{key}.onnx": model, f"{folder}/{key}.onnx.json": config, f"{folder}/MODEL_CARD": card}
    mirror.files |= files
    entry = {
        "key": key,
        "name": name,
        "language": {
            "code": language,
            "family": family,
            "region": region,
            "name_native": {"ru": "Русский"}.get(family, family),
        },
        "quality": quality,
        "num_speakers": 1,
        "speaker_id_map": {},
        "files": {
            path: {"size_bytes": len(body), "md5_digest": hashlib.md5(body, usedforsecurity=False).hexdigest()}
            | ({"sha256_digest": hashlib.sha256(body).hexdigest()} if sha256 else {})
            for path, body in files.items()
        },
        "aliases": [],
    }
    listed = cast("dict[str, Any]", mirror.documents.get("voices.json", dict)()) | {key: entry}
    mirror.documents["voices.json"] = lambda: listed
