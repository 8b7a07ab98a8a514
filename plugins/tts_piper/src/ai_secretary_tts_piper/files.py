"""Voices on the disk: a model (`name.onnx`) with its description (`name.onnx.json`), in a folder or in an installed package."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Final, Literal

import structlog

from ai_secretary.i18n import N_

log = structlog.get_logger(__name__)

Gender = Literal["female", "male", "neutral"]

_NAME: Final = re.compile(r"^[A-Za-z0-9_]+(?:[-.][A-Za-z0-9_]+)*$")
_LICENCE: Final = re.compile(r"^\W*licen[cs]e\W*:\s*(.+?)\s*$", re.IGNORECASE | re.MULTILINE)
_SMALLEST: Final = 100_000
"""Bytes; a file below is no voice but the rest of a copy that broke off."""
_PHONEME_TYPES: Final = frozenset({"espeak", "text"})
"""Others need dictionaries that Piper would fetch from the network when it speaks."""

GENDERS: Final[dict[str, Gender]] = {
    "dmitri": "male", "denis": "male", "ruslan": "male", "irina": "female", "joe": "male", "ryan": "male", "alan": "male",
    "lessac": "female", "amy": "female", "alba": "female", "hfc_female": "female", "hfc_male": "male", "kristin": "female",
    "kathleen": "female", "jenny_dioco": "female", "cori": "female", "norman": "male", "john": "male", "bryce": "male",
    "danny": "male", "kusal": "male", "northern_english_male": "male", "southern_english_female": "female",
}  # fmt: skip


@dataclass(slots=True, frozen=True)
class VoiceFile:
    """One voice as it lies on the disk. `problem` (an English message id) says why it cannot speak."""

    name: str
    """For instance `en_US-joe-medium`."""
    model: Path
    package: str = ""
    """The installed distribution that it came with; empty: a file in the voices folder."""
    size: int = 0
    modified: float = 0.0
    language: str = ""
    """ISO 639-1."""
    region: str = ""
    speaker_name: str = ""
    quality: str = ""
    sample_rate: int = 22050
    speakers: dict[str, int] = field(default_factory=dict)
    """Names of the speakers in the file, where there are several."""
    speaker_count: int = 1
    noise_scale: float = 0.667
    noise_w: float = 0.8
    licence: str = ""
    problem: str = ""
    detail: str = ""
    """What fills `{detail}` of the problem."""

    @property
    def config(self) -> Path:
        return self.model.with_name(self.model.name + ".json")

    @property
    def id(self) -> str:
        return f"piper/{self.name}"

    @property
    def title(self) -> str:
        """`Joe (US, medium)`."""
        name = (self.speaker_name or self.name).replace("_", " ")
        extra = ", ".join(part for part in (self.region, self.quality) if part)
        return f"{name[:1].upper()}{name[1:]} ({extra})" if extra else f"{name[:1].upper()}{name[1:]}"

    @property
    def gender(self) -> Gender:
        return GENDERS.get(self.speaker_name, "neutral")


def scan(folder: Path) -> list[VoiceFile]:
    """Every voice of the folder and of installed packages, broken ones too, by name; the folder's own come first."""
    found: dict[str, VoiceFile] = {}
    if folder.is_dir():
        for model in sorted(folder.glob("*.onnx")):
            _add(found, read_voice(model))
        for description in sorted(folder.glob("*.onnx.json")):
            model = description.with_name(description.name.removesuffix(".json"))
            if not model.exists() and not model.with_name(model.name + ".part").exists():
                _add(found, read_voice(model))
    for package, model in packaged():
        _add(found, read_voice(model, package))
    return sorted(found.values(), key=lambda voice: voice.name)


def _add(found: dict[str, VoiceFile], voice: VoiceFile) -> None:
    if not _NAME.match(voice.name) or len(voice.name) > 100:
        log.warning("piper_voice_ignored", file=voice.model.name, reason="a voice's name has letters, digits, dashes")
    elif voice.name not in found:
        found[voice.name] = voice


def packaged() -> list[tuple[str, Path]]:
    """(distribution, model) of installed voice packages: those with `piper` in their name that bring an `.onnx` and its `.json`.

    Nothing is imported; the lists of installed files are enough.
    """
    found: list[tuple[str, Path]] = []
    for folder in dict.fromkeys(sys.path):
        # By the folders' names: to read the metadata of every installed distribution would take most of a second.
        for info in sorted(Path(folder or ".").glob("*[Pp][Ii][Pp][Ee][Rr]*.dist-info")):
            distribution = Distribution.at(info)
            listed = {str(file): file for file in distribution.files or ()}
            found += [
                (distribution.name, Path(str(file.locate())))
                for path, file in listed.items()
                if path.endswith(".onnx") and f"{path}.json" in listed
            ]
    return found


def read_voice(model: Path, package: str = "") -> VoiceFile:
    """What the description says; a voice that cannot speak gets its `problem`."""
    name = model.name.removesuffix(".onnx")
    try:
        stat = model.stat()
    except OSError:
        return VoiceFile(name, model, package, problem=N_("The voice file {detail} is missing"), detail=model.name)
    base: dict[str, Any] = {"name": name, "model": model, "package": package, "size": stat.st_size, "modified": stat.st_mtime}
    if stat.st_size < _SMALLEST:
        return VoiceFile(**base, problem=N_("The voice file is cut short: {detail} bytes"), detail=str(stat.st_size))
    description = model.with_name(model.name + ".json")
    try:
        config = json.loads(description.read_text(encoding="utf-8"))
        return VoiceFile(**base, **_described(config, name), licence=_licence(model))
    except FileNotFoundError:
        return VoiceFile(**base, problem=N_("Its description {detail} is missing"), detail=description.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return VoiceFile(
            **base, problem=N_("Its description cannot be read: {detail}"), detail=f"{type(error).__name__}: {error}"[:200]
        )


def _described(config: dict[str, Any], name: str) -> dict[str, Any]:
    language = config.get("language") or {}
    spoken = str(language.get("family") or config["espeak"]["voice"].partition("-")[0] or name.partition("_")[0]).lower()
    inference = config.get("inference") or {}
    parts = name.split("-")
    kind = str(config.get("phoneme_type", "espeak"))
    found: dict[str, Any] = {
        "language": spoken,
        "region": str(language.get("region", "")),
        "speaker_name": str(parts[1] if len(parts) >= 3 else config.get("dataset") or name),
        "quality": str(config["audio"].get("quality") or (parts[-1] if len(parts) >= 3 else "")),
        "sample_rate": int(config["audio"]["sample_rate"]),
        "speakers": {str(key): int(value) for key, value in (config.get("speaker_id_map") or {}).items()},
        "speaker_count": max(1, int(config.get("num_speakers", 1))),
        "noise_scale": float(inference.get("noise_scale", 0.667)),
        "noise_w": float(inference.get("noise_w", 0.8)),
    }
    if not config["phoneme_id_map"]:
        raise ValueError("phoneme_id_map is empty")
    if kind not in _PHONEME_TYPES:
        found |= {"problem": N_("Voices of the kind {detail} are not supported"), "detail": kind}
    if not 4000 <= found["sample_rate"] <= 96000:
        raise ValueError(f"sample_rate {found['sample_rate']}")
    return found


def _licence(model: Path) -> str:
    """The licence line of the voice's model card, where one lies beside it."""
    for card in (model.with_name(model.name.removesuffix(".onnx") + ".MODEL_CARD"), model.with_name("MODEL_CARD")):
        try:
            match = _LICENCE.search(card.read_text(encoding="utf-8", errors="replace")[:20_000])
        except OSError:
            continue
        if match:
            return match.group(1)[:200]
    return ""
