"""What the Piper project offers: its `voices.json`, kept on the disk so that the list is there without a network."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import structlog

from ai_secretary.downloads import DownloadFailed, PlainSource, fetch_json
from ai_secretary.downloads.part import Algorithm
from ai_secretary.errors import NotFound, SecretaryError
from ai_secretary.i18n import N_
from ai_secretary_tts_piper.files import GENDERS, Gender

log = structlog.get_logger(__name__)

_KEY: Final = re.compile(r"^([a-z]{2,3})_([A-Z]{2})-([A-Za-z0-9_]+)-([a-z_]+)$")
_PATH: Final = re.compile(r"^[A-Za-z0-9_][A-Za-z0-9_.+-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*$")
_MAX_AGE_S: Final = 7 * 24 * 3600

RECOMMENDED: Final[dict[str, str]] = {
    "ru_RU-dmitri-medium": N_("a man; the house's voice"),
    "ru_RU-irina-medium": N_("a woman; the house's voice"),
    "ru_RU-denis-medium": N_("a man"),
    "ru_RU-ruslan-medium": N_("a man"),
    "en_US-lessac-medium": N_("a woman"),
    "en_US-amy-medium": N_("a woman"),
    "en_US-ryan-high": N_("a man; a larger file that takes longer to speak"),
    "en_US-joe-medium": N_("a man; comes with this plugin"),
    "en_GB-alba-medium": N_("a woman, Scottish"),
    "en_GB-alan-medium": N_("a man, British"),
}
"""Voices that the house suggests, in this order, with a note (English message id)."""


@dataclass(slots=True, frozen=True)
class RemoteFile:
    """`name` in our folder; `size` in bytes and `digest` (hexadecimal) are what the catalogue announced."""

    url: str
    name: str
    size: int
    digest: str
    algorithm: Algorithm


@dataclass(slots=True, frozen=True)
class Offer:
    """One voice of the catalogue."""

    key: str
    name: str
    language: str
    """ISO 639-1."""
    language_name: str
    region: str
    quality: str
    speakers: int
    files: tuple[RemoteFile, ...] = field(default=(), compare=False)
    """Description, model card where there is one, model; empty until the catalogue is here."""

    @property
    def size(self) -> int | None:
        """Bytes, None while unknown."""
        return sum(file.size or 0 for file in self.files) or None

    @property
    def gender(self) -> Gender:
        return GENDERS.get(self.name, "neutral")

    @property
    def recommended(self) -> bool:
        return self.key in RECOMMENDED

    @property
    def note(self) -> str:
        return RECOMMENDED.get(self.key, "")

    @property
    def title(self) -> str:
        name = self.name.replace("_", " ")
        return f"{name[:1].upper()}{name[1:]} ({self.region}, {self.quality})"


def is_key(key: str) -> bool:
    """Whether this is a voice's name in the catalogue, as in `ru_RU-irina-medium`; safe as part of a file's name."""
    return _KEY.fullmatch(key) is not None


def local_names(key: str) -> dict[str, str]:
    """Last part of a path in the catalogue → name in our folder, of every file that belongs to a voice."""
    return {f"{key}.onnx": f"{key}.onnx", f"{key}.onnx.json": f"{key}.onnx.json", "MODEL_CARD": f"{key}.MODEL_CARD"}


def parse(document: object, base_url: str) -> dict[str, Offer]:
    """The offers of a `voices.json`, without entries that do not look like one. Raises `DownloadFailed` if none is left."""
    offers: dict[str, Offer] = {}
    for key, entry in document.items() if isinstance(document, dict) else ():
        offer = _offer(key, entry, base_url)
        if offer is not None:
            offers[offer.key] = offer
    if not offers:
        raise DownloadFailed(
            "The voice catalogue cannot be read", code="piper_catalogue", hint="Check its address in the options."
        )
    return offers


def _offer(key: object, entry: Any, base_url: str) -> Offer | None:
    match = _KEY.match(key) if isinstance(key, str) else None
    if match is None:
        return None
    family, region, name, quality = match.groups()
    wanted: dict[str, RemoteFile] = {}
    names = local_names(str(key))
    try:
        for path, facts in entry["files"].items():
            last = path.rpartition("/")[2]
            local = names.get(last)
            if local is None or not _PATH.match(path):
                continue
            wanted[last] = RemoteFile(
                f"{base_url}/{path}",
                local,
                int(facts["size_bytes"]),
                str(facts.get("sha256_digest") or facts["md5_digest"]),
                "sha256" if facts.get("sha256_digest") else "md5",
            )
        language = entry.get("language") or {}
        speakers = int(entry.get("num_speakers") or 1)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    if f"{key}.onnx" not in wanted or f"{key}.onnx.json" not in wanted:
        return None
    # The model last: when it appears under its name, the voice is whole.
    order = sorted(wanted.values(), key=lambda file: (file.name.endswith(".onnx"), file.name))
    name_of_language = str(language.get("name_native") or language.get("name_english") or family)[:60]
    return Offer(str(key), name, family, name_of_language, region, quality, speakers, tuple(order))


def known_without_catalogue() -> dict[str, Offer]:
    """The recommended voices, for a page that cannot reach the catalogue: names, but no sizes."""
    names = {"ru": "Русский", "en": "English"}
    found: dict[str, Offer] = {}
    for key in RECOMMENDED:
        match = _KEY.match(key)
        assert match is not None
        family, region, name, quality = match.groups()
        found[key] = Offer(key, name, family, names[family], region, quality, 1)
    return found


class Catalogue:
    """The offers, fetched at most once a week unless somebody asks for a fresh list."""

    def __init__(self, file: Path, base_url: Callable[[], str], user_agent: str) -> None:
        self._file = file
        self._base_url = base_url
        self._user_agent = user_agent
        self._offers: dict[str, Offer] = {}
        self._from = ""
        self._fetched_at = 0.0
        self._lock = asyncio.Lock()
        self.problem: SecretaryError | None = None
        """Why the list could not be fetched last time; the older one is shown."""

    @property
    def fetched_at(self) -> float | None:
        """Seconds since the epoch."""
        return self._fetched_at or None

    async def offers(self, *, fresh: bool = False) -> dict[str, Offer]:
        """By key. Never raises: without a network the last known list, or the recommended voices, with `problem` set."""
        base = self._base_url()
        async with self._lock:
            if self._from != base:
                await self._read(base)
            age = time.time() - self._fetched_at
            if fresh or not self._offers or age > _MAX_AGE_S:
                await self._fetch(base)
            return self._offers or known_without_catalogue()

    async def offer(self, key: str) -> Offer:
        """With its files. Raises `NotFound`, or `DownloadFailed` when the catalogue cannot be reached."""
        found = (await self.offers()).get(key)
        if found is not None and not found.files and self.problem is not None:
            raise self.problem
        if found is None:
            raise NotFound(
                "The catalogue has no voice {voice}",
                voice=key[:100],
                code="piper_voice_unknown",
                hint="Choose one of the catalogue.",
            )
        return found

    async def _read(self, base: str) -> None:
        self._offers, self._fetched_at, self._from = {}, 0.0, base
        try:
            stored = json.loads(await asyncio.to_thread(self._file.read_text, encoding="utf-8"))
            if stored["base_url"] == base:
                self._offers = parse(stored["voices"], base)
                self._fetched_at = float(stored["fetched_at"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, SecretaryError) as error:
            log.warning("piper_catalogue_unreadable", file=str(self._file), error=str(error))

    async def _fetch(self, base: str) -> None:
        try:
            document = await fetch_json(PlainSource(self._user_agent), f"{base}/voices.json")
            self._offers = parse(document, base)
        except DownloadFailed as error:
            self.problem = error
            log.info("piper_catalogue_unreachable", error=str(error))
            return
        self.problem, self._fetched_at = None, time.time()
        text = json.dumps({"base_url": base, "fetched_at": self._fetched_at, "voices": document})
        await asyncio.to_thread(_write, self._file, text)


def _write(file: Path, text: str) -> None:
    part = file.with_name(file.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)
