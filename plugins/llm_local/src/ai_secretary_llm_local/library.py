"""Which model files this machine has: our own folder, the Hugging Face cache, further folders, the embedded package."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import structlog

from ai_secretary.i18n import N_
from ai_secretary_llm_local import embedded
from ai_secretary_llm_local.errors import ModelUnavailable, NotOurFile, model_unavailable
from ai_secretary_llm_local.gguf import SHARD, GgufError, GgufHead, read_head

log = structlog.get_logger(__name__)

Origin = Literal["own", "hub_cache", "folder", "embedded"]
Kind = Literal["chat", "embedding", "part"]
"""`part`: an adapter or an image projector, which answers nothing by itself."""

_DEPTH = 5
_MAX_FILES = 2_000
_DEMO_PARAMETERS = 400_000_000
"""Below this a model cannot hold a conversation: it is shown as a demonstration."""
_EMBEDDING_ARCHITECTURES = frozenset(
    {"bert", "nomic-bert", "nomic-bert-moe", "jina-bert-v2", "jina-bert-v3", "modern-bert", "gemma-embedding"}
)
_MULTILINGUAL = ("qwen", "gemma", "gpt-oss", "deepseek", "glm", "mistral")
"""Architectures whose instruct models speak many languages, whatever a converter wrote into the file (often just "en")."""
_NOT_SLUG = re.compile(r"[^a-z0-9.]+")


@dataclass(slots=True, frozen=True)
class Problem:
    """Why a file cannot be used: an English message id and what fills its `{names}`."""

    template: str
    params: dict[str, object]

    @property
    def text(self) -> str:
        return self.template.format(**self.params) if self.params else self.template

    def error(self) -> ModelUnavailable:
        return model_unavailable(
            self.template, self.params, code="model_broken", hint=N_("Download the file again or delete it.")
        )


@dataclass(slots=True, frozen=True)
class LocalModel:
    """One model: a file, or the first of several that belong together."""

    id: str
    """Public id, `local/<slug>`."""
    title: str
    paths: tuple[Path, ...]
    size: int
    """Bytes of all files."""
    origin: Origin
    kind: Kind
    head: GgufHead | None
    """None when the file is broken."""
    problem: Problem | None = None
    repo: str = ""
    """Hub repository that the file came from, where the cache says it."""
    demo: bool = False
    languages: frozenset[str] | None = None

    @property
    def path(self) -> Path:
        return self.paths[0]

    @property
    def slug(self) -> str:
        return self.id.partition("/")[2]

    @property
    def deletable(self) -> bool:
        return self.origin == "own"

    @property
    def parameters(self) -> int:
        return self.head.parameters if self.head else 0


@dataclass(slots=True, frozen=True)
class _Found:
    path: Path
    origin: Origin
    repo: str
    size: int
    mtime_ns: int

    @property
    def stamp(self) -> tuple[str, int, int]:
        return str(self.path), self.size, self.mtime_ns


def hub_cache() -> Path:
    """Where the Hugging Face libraries keep downloads, by the same variables that they read."""
    if explicit := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(explicit).expanduser()
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser() / "hub"
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache).expanduser() if cache else Path.home() / ".cache") / "huggingface" / "hub"


class ModelLibrary:
    """A snapshot of the model files, renewed in a thread."""

    def __init__(self, own_folder: Path, *, state_folder: Path, further: Sequence[str] = ()) -> None:
        self.own_folder = own_folder
        self.further = tuple(further)
        self._pins = embedded.PinnedFiles(state_folder / "verified.json")
        self._heads: dict[tuple[str, int, int], GgufHead | Problem] = {}
        self._signature: tuple[tuple[str, int, int], ...] | None = None
        self._models: dict[str, LocalModel] = {}
        self._lock = asyncio.Lock()

    @property
    def models(self) -> tuple[LocalModel, ...]:
        """Best first: real models by size, then demonstrations, then what cannot be used."""
        return tuple(self._models.values())

    def get(self, model_id: str) -> LocalModel | None:
        return self._models.get(model_id)

    async def refresh(self, *, force: bool = False) -> bool:
        """Look at the folders; read files only if some came, went or changed. True if the snapshot changed."""
        async with self._lock:
            before = self._models
            signature, models = await asyncio.to_thread(self._scan, force)
            self._signature = signature
            if models is not None:
                self._models = models
            return self._models != before

    async def delete(self, model: LocalModel) -> int:
        """Remove the files of a model in our own folder; returns the bytes freed. Raises `NotOurFile`."""
        return await asyncio.to_thread(self._delete, model)

    # ---- in a thread ----

    def _delete(self, model: LocalModel) -> int:
        root = self.own_folder.resolve()
        for path in model.paths:
            # The folder is resolved, the name is not: of a link only the link itself goes.
            if not path.parent.resolve().is_relative_to(root):
                raise NotOurFile(
                    "{name} lies outside the model folder and is not deleted from here",
                    hint="Delete it with the program that put it there.",
                    name=path.name,
                )
        freed = 0
        for path in model.paths:
            freed += path.stat().st_size if path.exists() else 0
            path.unlink(missing_ok=True)
        return freed

    def _scan(self, force: bool) -> tuple[tuple[tuple[str, int, int], ...], dict[str, LocalModel] | None]:
        found = list(self._find())
        signature = tuple(file.stamp for file in found)
        if signature == self._signature and not force:
            return signature, None
        present = set(signature)
        self._heads = {} if force else {stamp: head for stamp, head in self._heads.items() if stamp in present}
        return signature, self._build(found)

    def _find(self) -> Iterator[_Found]:
        seen: set[tuple[int, int]] = set()
        count = 0
        for path, origin, repo in self._candidates():
            try:
                status = path.stat()
            except OSError:
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
            count += 1
            if count > _MAX_FILES:
                log.warning("too_many_model_files", kept=_MAX_FILES)
                return
            yield _Found(path, origin, repo, status.st_size, status.st_mtime_ns)

    def _candidates(self) -> Iterator[tuple[Path, Origin, str]]:
        for path in _walk(self.own_folder):
            yield path, "own", ""
        for snapshot, repo in _snapshots(hub_cache()):
            for path in _walk(snapshot):
                yield path, "hub_cache", repo
        for folder in self.further:
            for path in _walk(Path(folder)):
                yield path, "folder", ""
        if (bundled := embedded.find_embedded()) is not None:
            yield bundled, "embedded", ""

    def _build(self, found: Sequence[_Found]) -> dict[str, LocalModel]:
        models: list[LocalModel] = []
        groups: dict[tuple[str, str, int], dict[int, _Found]] = {}
        for file in found:
            shard = SHARD.match(file.path.name)
            if shard is None:
                models.append(self._model((file,), file.path.stem))
            else:
                key = (str(file.path.parent), shard["stem"], int(shard["count"]))
                groups.setdefault(key, {})[int(shard["number"])] = file
        for (_, stem, count), parts in groups.items():
            files = tuple(parts[number] for number in sorted(parts))
            missing = [number for number in range(1, count + 1) if number not in parts]
            model = self._model(files, stem)
            if missing and model.problem is None:
                model = replace(
                    model,
                    problem=Problem(
                        N_("Parts of the model are missing: {missing} of {count}"),
                        {"missing": ", ".join(map(str, missing[:8])), "count": count},
                    ),
                )
            models.append(model)
        return _named(models)

    def _model(self, files: tuple[_Found, ...], stem: str) -> LocalModel:
        heads = [self._head(file) for file in files]
        problem = next((head for head in heads if isinstance(head, Problem)), None)
        good = [head for head in heads if isinstance(head, GgufHead)]
        first = files[0]
        head = None
        if problem is None:
            head = replace(good[0], parameters=sum(part.parameters for part in good), size=sum(file.size for file in files))
        model = LocalModel(
            id=f"local/{_slug(stem)}",
            title=(head.name if head else "") or stem,
            paths=tuple(file.path for file in files),
            size=sum(file.size for file in files),
            origin=first.origin,
            kind=_kind(head),
            head=head,
            problem=problem,
            repo=first.repo,
            demo=head is not None and 0 < head.parameters < _DEMO_PARAMETERS,
            languages=_languages(head, stem),
        )
        return self._embedded(model) if first.origin == "embedded" else model

    def _embedded(self, model: LocalModel) -> LocalModel:
        problem = model.problem
        if problem is None and not self._pins.matches(model.path, embedded.SHA256):
            problem = Problem(N_("The file is not the one that this version knows: its checksum differs"), {})
        return replace(
            model, id=f"local/{embedded.SLUG}", title=embedded.TITLE, demo=True, languages=frozenset({"en"}), problem=problem
        )

    def _head(self, file: _Found) -> GgufHead | Problem:
        known = self._heads.get(file.stamp)
        if known is None:
            try:
                known = read_head(file.path)
            except GgufError as error:
                known = Problem(error.template, error.params)
            except (OSError, ValueError) as error:
                known = Problem(N_("The file cannot be read: {error}"), {"error": str(error)})
            self._heads[file.stamp] = known
        return known


def _walk(root: Path) -> Iterator[Path]:
    """GGUF files below `root`, sorted, a few folders deep; links to folders are not followed."""
    base = len(root.parts)
    for folder, folders, names in os.walk(root):
        here = Path(folder)
        folders.sort()
        if len(here.parts) - base >= _DEPTH:
            folders.clear()
        for name in sorted(names):
            if name.lower().endswith(".gguf"):
                yield here / name


def _snapshots(cache: Path) -> Iterator[tuple[Path, str]]:
    """The newest snapshot of each model repository in the cache, with the repository's name."""
    try:
        repositories = sorted(entry for entry in cache.iterdir() if entry.name.startswith("models--"))
    except OSError:
        return
    for repository in repositories:
        name = repository.name.removeprefix("models--").replace("--", "/", 1)
        try:
            snapshots = [entry for entry in (repository / "snapshots").iterdir() if entry.is_dir()]
        except OSError:
            continue
        try:
            wanted = (repository / "refs" / "main").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            wanted = ""
        chosen = next((entry for entry in snapshots if entry.name == wanted), None)
        if chosen is None and snapshots:
            chosen = max(snapshots, key=lambda entry: entry.stat().st_mtime_ns)
        if chosen is not None:
            yield chosen, name


def _slug(stem: str) -> str:
    return _NOT_SLUG.sub("-", stem.lower()).strip("-.") or "model"


def _kind(head: GgufHead | None) -> Kind:
    if head is None:
        return "chat"
    if head.kind in {"adapter", "mmproj"} or head.architecture == "clip":
        return "part"
    if head.pooling or head.architecture in _EMBEDDING_ARCHITECTURES:
        return "embedding"
    return "chat"


def _languages(head: GgufHead | None, stem: str) -> frozenset[str] | None:
    if "smollm" in stem.lower():
        return frozenset({"en"})
    if head is None or not head.languages or head.architecture.startswith(_MULTILINGUAL):
        return None
    codes = {language.lower().replace("_", "-").partition("-")[0] for language in head.languages}
    # "multilingual" and the like: the model claims more than it lists.
    return None if any(len(code) > 3 for code in codes) else frozenset(codes)


def _rank(model: LocalModel) -> tuple[bool, bool, bool, int, str]:
    return model.problem is not None, model.kind != "chat", model.demo, -model.parameters, str(model.path)


def _named(models: list[LocalModel]) -> dict[str, LocalModel]:
    """Unique ids (a file keeps its own where it can) and titles that tell two files of one model apart."""
    titles = [model.title for model in models]
    taken: dict[str, LocalModel] = {}
    for model in sorted(models, key=lambda item: (_origin_rank(item.origin), str(item.path))):
        unique, number = model.id, 2
        while unique in taken:
            unique, number = f"{model.id}-{number}", number + 1
        quantisation = model.head.quantisation if model.head else ""
        title = f"{model.title} {quantisation}".rstrip() if titles.count(model.title) > 1 else model.title
        taken[unique] = replace(model, id=unique, title=title)
    return {model.id: model for model in sorted(taken.values(), key=_rank)}


def _origin_rank(origin: Origin) -> int:
    return ("embedded", "own", "hub_cache", "folder").index(origin)
