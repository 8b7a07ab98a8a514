"""Archives that mean harm, and good ones."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from pathlib import Path

import pytest

from ai_secretary.downloads import ArchiveRefused, unpack


def archive(entries: dict[str, bytes], *, links: dict[str, str] | None = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
        for name, target in (links or {}).items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFLNK | 0o777) << 16
            bundle.writestr(info, target)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        archive({"model/am/final.mdl": b"x", "../escaped.txt": b"x"}),
        archive({"model/am/final.mdl": b"x", "model/../../escaped.txt": b"x"}),
        archive({"/etc/escaped.txt": b"x"}),
        archive({"C:\\escaped.txt": b"x"}),
        archive({"..\\escaped.txt": b"x"}),
        archive({"model/am/final.mdl": b"x"}, links={"model/link": "/etc"}),
        archive({"model/zeros": bytes(30_000_000)}),
        b"this is no archive",
        b"",
    ],
    ids=["parent", "inner-parent", "absolute", "drive", "backslash", "link", "bomb", "garbage", "empty"],
)
def test_a_harmful_archive_is_refused_and_writes_nothing_outside(tmp_path: Path, data: bytes) -> None:
    box = tmp_path / "box"
    box.mkdir()
    (box / "model.zip").write_bytes(data)
    with pytest.raises(ArchiveRefused):
        unpack(box / "model.zip", box / "out")
    outside = {path.name for path in tmp_path.rglob("*") if (box / "out") not in path.parents}
    assert outside <= {"box", "model.zip", "out"}
    assert not Path("/etc/escaped.txt").exists()


def test_an_archive_that_lies_about_its_sizes_is_refused(tmp_path: Path) -> None:
    data = bytearray(archive({"model/big": os.urandom(5_000)}))
    # The sizes in the local header and in the directory claim 16 bytes.
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(signature) + offset
        data[at : at + 4] = (16).to_bytes(4, "little")
    (tmp_path / "model.zip").write_bytes(data)
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "model.zip", tmp_path / "out")


def test_too_many_files_and_double_names_are_refused(tmp_path: Path) -> None:
    (tmp_path / "many.zip").write_bytes(archive({f"model/{n}": b"x" for n in range(11)}))
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "many.zip", tmp_path / "many", max_files=10)
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as bundle:
        bundle.writestr("model/a", b"1")
        with pytest.warns(UserWarning, match="Duplicate name"):
            bundle.writestr("model/a", b"2")
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "twice.zip", tmp_path / "twice")


def test_a_good_archive_loses_its_single_top_folder(tmp_path: Path) -> None:
    (tmp_path / "one.zip").write_bytes(archive({"top/am/final.mdl": b"x", "top/README": b"y"}))
    unpack(tmp_path / "one.zip", tmp_path / "one")
    assert sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file()) == [
        "README",
        "am/final.mdl",
    ]
    (tmp_path / "flat.zip").write_bytes(archive({"am/final.mdl": b"x", "README": b"y"}))
    unpack(tmp_path / "flat.zip", tmp_path / "flat")
    assert (tmp_path / "flat" / "am" / "final.mdl").exists()
