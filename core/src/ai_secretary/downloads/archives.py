"""Unpacking a zip archive from outside without trusting it. Blocking."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Final

from ai_secretary.downloads.errors import ArchiveRefused

MAX_FILES: Final = 5_000
MAX_BYTES: Final = 12 << 30
MAX_RATIO: Final = 60
"""Unpacked to packed size of the whole archive; models stay below 5."""
_PIECE: Final = 1 << 20


def unpack(
    archive: Path,
    target: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    max_files: int = MAX_FILES,
    max_bytes: int = MAX_BYTES,
) -> None:
    """Unpack into `target` (a new folder), without the single folder that archives usually have at the top.

    Refuses links, names that lead out of the folder, and archives that unpack to far more than they weigh. `progress` gets
    (bytes done, bytes in all) and may raise to stop; what was unpacked then stays for the caller to remove.

    Raises `ArchiveRefused`.
    """
    try:
        with zipfile.ZipFile(archive) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            paths = {member.filename: _checked(member) for member in members}
            total = sum(member.file_size for member in members)
            packed = max(1, archive.stat().st_size)
            if len(members) > max_files or total > max_bytes or total > packed * MAX_RATIO:
                raise ArchiveRefused(
                    "The archive unpacks to more than it may ({size} MB in {files} files)",
                    size=total >> 20,
                    files=len(members),
                )
            tops = {path.parts[0] for path in paths.values()}
            strip = len(tops) == 1 and all(len(path.parts) > 1 for path in paths.values())
            target.mkdir(parents=True)
            done = 0
            for member in members:
                path = paths[member.filename]
                place = target.joinpath(*(path.parts[1:] if strip else path.parts))
                place.parent.mkdir(parents=True, exist_ok=True)
                written = 0
                # "x": two members of one name would write over each other.
                with bundle.open(member) as source, place.open("xb") as file:
                    while data := source.read(_PIECE):
                        written += len(data)
                        # The directory of an archive may lie about sizes.
                        if written > member.file_size:
                            raise ArchiveRefused("The archive is damaged: {name} is longer than announced", name=path.name)
                        file.write(data)
                        done += len(data)
                        progress(done, total)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, RuntimeError, FileExistsError) as error:
        raise ArchiveRefused("The archive cannot be unpacked: {error}", error=str(error)[:200] or type(error).__name__) from error


def _checked(member: zipfile.ZipInfo) -> PurePosixPath:
    name = member.filename.replace("\\", "/")
    path = PurePosixPath(name)
    kind = stat.S_IFMT(member.external_attr >> 16)
    bad_name = path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name or ":" in path.parts[0]
    if bad_name or kind not in (0, stat.S_IFREG) or os.path.isabs(name):
        raise ArchiveRefused("The archive holds an entry that leads out of its folder: {name}", name=name[:100])
    return path
