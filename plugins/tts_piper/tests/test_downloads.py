"""The catalogue and downloads, from a local mirror, as real durable jobs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from piper_mirror import add_voice
from piper_running import Running, Start

from ai_secretary.downloads import DownloadFailed
from ai_secretary.errors import Conflict, NotFound
from ai_secretary.jobs import Job
from ai_secretary.speech import VoiceOptions
from ai_secretary.testing.mirror import Mirror
from ai_secretary_tts_piper.catalogue import RECOMMENDED, parse

KEY = "ru_RU-dmitri-medium"


@pytest.fixture
def filled(mirror: Mirror, joe: Path) -> Mirror:
    """A mirror with the English voice under a Russian name, and a small file that only looks like a voice."""
    description = json.loads(joe.with_name(joe.name + ".json").read_text())
    add_voice(mirror, KEY, joe.read_bytes(), json.dumps(description).encode())
    add_voice(mirror, "en_US-tiny-low", bytes(range(256)) * 2000, json.dumps(description).encode(), sha256=True)
    mirror.only = ".onnx"
    return mirror


async def ended(running: Running, job: Job, state: str = "done") -> Job:
    for _ in range(1500):
        job = await running.jobs.get(job.id)
        if job.state == state:
            return job
        assert not job.ended, f"{job.state}: {job.error}"
        await asyncio.sleep(0.02)
    raise AssertionError(f"still {job.state}")


async def begin(start: Start, mirror: Mirror) -> Running:
    running = await start(catalogue_url=mirror.url)
    running.jobs.start()
    running.voices.downloads.first_wait_s = 0.01
    return running


def left(running: Running) -> list[str]:
    return sorted(path.name for path in running.voices.folder.iterdir()) if running.voices.folder.exists() else []


async def test_a_downloaded_voice_speaks(start: Start, filled: Mirror) -> None:
    running = await begin(start, filled)
    job = await ended(running, await running.voices.download(KEY))
    assert job.progress == 1.0
    assert left(running) == [f"{KEY}.MODEL_CARD", f"{KEY}.onnx", f"{KEY}.onnx.json"]
    found = running.registries.find_voice("dmitri")
    assert found is not None
    assert found.info.licence == "CC0"
    assert [chunk async for chunk in found.synthesize("Hello.", VoiceOptions())]
    with pytest.raises(Conflict):
        await running.voices.download(KEY)
    assert [(event.action, event.resource_id) for event in running.audited] == [("tts_piper.download", f"piper/{KEY}")]


async def test_a_broken_connection_is_gone_on_with(start: Start, filled: Mirror) -> None:
    filled.cut_after = [200_000, 200_000]
    filled.statuses = [503]
    filled.delay = 0.005
    running = await begin(start, filled)
    await ended(running, await running.voices.download("en_US-tiny-low"))
    assert filled.asked("tiny-low.onnx") == ["", "", "bytes=200000-", "bytes=400000-"]


async def test_a_server_without_ranges_begins_again(start: Start, filled: Mirror) -> None:
    filled.ranges = False
    filled.cut_after = [200_000]
    running = await begin(start, filled)
    await ended(running, await running.voices.download("en_US-tiny-low"))


async def test_pause_and_resume_go_on_where_it_stopped(start: Start, filled: Mirror) -> None:
    filled.delay = 0.01
    running = await begin(start, filled)
    job = await running.voices.download(KEY)
    while (await running.jobs.get(job.id)).done < 1_000_000:
        await asyncio.sleep(0.02)
    await running.jobs.pause(job.id)
    await ended(running, job, "paused")
    part = running.voices.folder / f"{KEY}.onnx.part"
    have = part.stat().st_size
    assert have >= 500_000
    assert running.registries.find_voice("dmitri") is None
    filled.delay = 0.0
    again = await running.voices.download(KEY)  # ordering it again is resuming it
    assert again.id == job.id
    await ended(running, job)
    assert f"bytes={have}-" in filled.asked(".onnx")


async def test_cancelling_leaves_nothing(start: Start, filled: Mirror) -> None:
    filled.delay = 0.01
    running = await begin(start, filled)
    job = await running.voices.download(KEY)
    while (await running.jobs.get(job.id)).done < 1_000_000:
        await asyncio.sleep(0.02)
    await running.jobs.cancel(job.id)
    await ended(running, job, "cancelled")
    for _ in range(100):
        if not left(running):
            break
        await asyncio.sleep(0.02)
    assert left(running) == []


async def test_cancelling_a_paused_download_leaves_nothing(start: Start, filled: Mirror) -> None:
    filled.delay = 0.01
    running = await begin(start, filled)
    job = await running.voices.download(KEY)
    while (await running.jobs.get(job.id)).done < 1_000_000:
        await asyncio.sleep(0.02)
    await running.jobs.pause(job.id)
    assert f"{KEY}.onnx.part" in left(running)
    await running.jobs.cancel(job.id)
    await running.context.bus.drain()
    assert left(running) == []


async def test_a_damaged_file_is_fetched_once_more_and_then_refused(start: Start, filled: Mirror) -> None:
    running = await begin(start, filled)
    filled.corrupt = [True]
    await ended(running, await running.voices.download("en_US-tiny-low"))
    filled.corrupt = [True, True]
    running.voices._files.pop("en_US-tiny-low", None)
    for path in running.voices.folder.iterdir():
        path.unlink()
    job = await ended(running, await running.voices.download("en_US-tiny-low"), "failed")
    assert "checksum" in job.error
    assert not (running.voices.folder / "en_US-tiny-low.onnx").exists()


async def test_an_unknown_voice_and_a_missing_file(start: Start, filled: Mirror) -> None:
    running = await begin(start, filled)
    with pytest.raises(NotFound):
        await running.voices.download("../../secret.key")
    filled.files = {}
    job = await ended(running, await running.voices.download("en_US-tiny-low"), "failed")
    assert "404" in job.error


async def test_without_a_network_the_last_list_stays(start: Start, filled: Mirror) -> None:
    running = await begin(start, filled)
    catalogue = running.voices.catalogue
    assert set(await catalogue.offers()) == {KEY, "en_US-tiny-low"}
    filled.down = True
    assert set(await catalogue.offers(fresh=True)) == {KEY, "en_US-tiny-low"}
    assert catalogue.problem is not None
    assert "503" in catalogue.problem.message
    again = type(catalogue)(catalogue._file, lambda: filled.url, "test")  # after a restart
    assert set(await again.offers()) == {KEY, "en_US-tiny-low"}
    assert again.problem is None


async def test_without_any_list_the_recommended_voices_are_named(start: Start) -> None:
    running = await start()  # the address leads nowhere
    offers = await running.voices.catalogue.offers()
    assert list(offers) == list(RECOMMENDED)
    assert offers[KEY].size is None
    with pytest.raises(DownloadFailed):
        await running.voices.download(KEY)


def test_a_hostile_list_leads_to_no_other_place() -> None:
    good = {"size_bytes": 10, "md5_digest": "0" * 32}
    evil = {
        "../../etc-x-low": {"files": {}},
        "en_US-evil-low": {"files": {"../../../en_US-evil-low.onnx": good, "en_US-evil-low.onnx.json": good}},
        "en_US-host-low": {"files": {"//evil.example/en_US-host-low.onnx": good, "en_US-host-low.onnx.json": good}},
        "en_US-text-low": {"files": "x"},
        "en_US-size-low": {"files": {"en_US-size-low.onnx": {"size_bytes": "many"}, "en_US-size-low.onnx.json": good}},
        7: {},
        "en_US-fine-low": {"files": {"a/en_US-fine-low.onnx": good, "a/en_US-fine-low.onnx.json": good, "a/virus.exe": good}},
    }
    offers = parse(evil, "https://mirror.example/voices")
    assert list(offers) == ["en_US-fine-low"]
    assert {file.url for file in offers["en_US-fine-low"].files} == {
        "https://mirror.example/voices/a/en_US-fine-low.onnx",
        "https://mirror.example/voices/a/en_US-fine-low.onnx.json",
    }
    for nothing in ({}, [], None, "x"):
        with pytest.raises(DownloadFailed):
            parse(nothing, "https://mirror.example")
