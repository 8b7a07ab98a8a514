"""Downloads as durable work: orders, pause, resume, cancel, a restart in the middle, what is left behind."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from llm_local_files import gguf_bytes, tiny_model

from ai_secretary.downloads import HubError
from ai_secretary.errors import InvalidInput
from ai_secretary.events import EventBus
from ai_secretary.jobs import Job, JobChanged, Jobs
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database
from ai_secretary.testing.mirror import Mirror
from ai_secretary_llm_local.catalogue import CATALOGUE, RAM_CLASSES, ram_class
from ai_secretary_llm_local.downloads import (
    JOB_KIND,
    KIND,
    Downloads,
    Order,
    order_from_entry,
    order_from_hub,
    order_from_url,
)
from ai_secretary_llm_local.errors import AlreadyThere
from ai_secretary_llm_local.hub import GgufHub, file_name
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.service import LocalModels, Recommendation

REPO = "org/repo-GGUF"
BODY = tiny_model() + os.urandom(3_000_000)


class House:
    """Jobs and downloads over one database, as one run of the server has them."""

    def __init__(self, database: Database, folder: Path, mirror: Mirror, bus: EventBus) -> None:
        registries = Registries()
        self.folder = folder / "llm"
        self.finished = 0
        self.options = LocalModelOptions(hub_url=mirror.url)
        self.jobs = Jobs(database, registries, bus, f"sqlite:///{folder / 'jobs.db'}")
        self.downloads = Downloads(self.folder, lambda: self.options, self.jobs, on_finished=self._finished, first_wait_s=0.01)
        registries.add_job_kind("llm_local", KIND, self.downloads.orders.handle, "Download", 2)
        bus.subscribe(JobChanged, self.downloads.orders.on_change)
        self.jobs.start()

    async def _finished(self) -> None:
        self.finished += 1

    async def ended(self, job: Job, *states: str) -> Job:
        async with asyncio.timeout(20):
            while (job := await self.jobs.get(job.id)).state not in states:
                await asyncio.sleep(0.02)
        return job

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path, mirror: Mirror, bus: EventBus) -> AsyncIterator[House]:
    mirror.files[f"{REPO}/model-Q4_K_M.gguf"] = BODY
    house = House(sqlite_database, tmp_path, mirror, bus)
    yield house
    await house.jobs.close()


def order() -> Order:
    return order_from_hub(REPO, "model-Q4_K_M.gguf")


async def test_a_download_ends_with_the_file_in_place(house: House, bus: EventBus) -> None:
    heard: list[Job] = []
    bus.subscribe(JobChanged, lambda event: heard.append(event.job))
    job = await house.downloads.order(order())
    job = await house.ended(job, "done", "failed")
    assert job.error == ""
    assert job.result == {
        "files": ["model-Q4_K_M.gguf"], "size": len(BODY), "sha256": {"model-Q4_K_M.gguf": hashlib.sha256(BODY).hexdigest()},
    }  # fmt: skip
    assert (job.done, job.total) == (len(BODY), len(BODY))
    assert house.names() == ["model-Q4_K_M.gguf"]
    assert house.finished == 1
    assert await house.downloads.list() == []
    with pytest.raises(AlreadyThere):
        await house.downloads.order(order())


async def test_pause_keeps_and_resume_goes_on(house: House, mirror: Mirror) -> None:
    mirror.delay = 0.02
    job = await house.downloads.order(order())
    assert (await house.downloads.order(order())).id == job.id  # the same order is the same job
    await asyncio.wait_for(mirror.piece_sent.wait(), 10)
    await asyncio.sleep(0.2)
    job = await house.jobs.pause(job.id)
    assert job.state == "paused"
    have = (house.folder / "model-Q4_K_M.gguf.part").stat().st_size
    assert 0 < have < len(BODY)
    assert [item.id for item in await house.downloads.list()] == [job.id]
    mirror.delay = 0
    await house.jobs.resume(job.id)
    await house.ended(job, "done")
    assert [asked for asked in mirror.asked() if asked] == [f"bytes={have}-"]
    assert (house.folder / "model-Q4_K_M.gguf").read_bytes() == BODY


async def test_an_order_for_a_paused_download_goes_on_with_it(house: House, mirror: Mirror) -> None:
    mirror.delay = 0.02
    job = await house.downloads.order(order())
    await asyncio.wait_for(mirror.piece_sent.wait(), 10)
    await house.jobs.pause(job.id)
    mirror.delay = 0
    again = await house.downloads.order(order())
    assert again.id == job.id
    await house.ended(job, "done")


async def test_cancel_leaves_nothing_behind(house: House, mirror: Mirror, bus: EventBus) -> None:
    mirror.delay = 0.02
    job = await house.downloads.order(order())
    await asyncio.wait_for(mirror.piece_sent.wait(), 10)
    await asyncio.sleep(0.1)
    await house.jobs.pause(job.id)
    assert house.names() == ["model-Q4_K_M.gguf.part", "model-Q4_K_M.gguf.part.json"]
    await house.jobs.cancel(job.id)
    await bus.drain()
    assert house.names() == []


async def test_a_download_survives_a_restart_in_the_middle(
    sqlite_database: Database, tmp_path: Path, mirror: Mirror, bus: EventBus
) -> None:
    mirror.files[f"{REPO}/model-Q4_K_M.gguf"] = BODY
    mirror.delay = 0.02
    before = House(sqlite_database, tmp_path, mirror, bus)
    job = await before.downloads.order(order())
    await asyncio.wait_for(mirror.piece_sent.wait(), 10)
    await asyncio.sleep(0.3)
    await before.jobs.close()
    have = (before.folder / "model-Q4_K_M.gguf.part").stat().st_size
    assert 0 < have < len(BODY)
    mirror.delay = 0
    after = House(sqlite_database, tmp_path, mirror, bus)
    await after.downloads.tidy()  # keeps the part: its job is alive
    job = await after.ended(job, "done", "failed")
    assert (job.state, job.error) == ("done", "")
    assert (after.folder / "model-Q4_K_M.gguf").read_bytes() == BODY
    assert f"bytes={have}-" in mirror.asked()
    await after.jobs.close()


async def test_a_failed_download_says_why_and_can_be_tried_again(house: House, mirror: Mirror) -> None:
    del mirror.files[f"{REPO}/model-Q4_K_M.gguf"]
    job = await house.ended(await house.downloads.order(order()), "failed")
    assert job.error == "The hub has no such file"
    assert [item.id for item in await house.downloads.list()] == [job.id]
    mirror.files[f"{REPO}/model-Q4_K_M.gguf"] = BODY
    await house.jobs.resume(job.id)
    await house.ended(job, "done")
    assert await house.downloads.list() == []


async def test_what_is_no_model_never_gets_a_models_name(house: House, mirror: Mirror) -> None:
    mirror.files[f"{REPO}/model-Q4_K_M.gguf"] = tiny_model()[:-10]
    job = await house.ended(await house.downloads.order(order()), "failed")
    assert "not a usable model: The file is incomplete" in job.error
    assert house.names() == []


async def test_a_page_instead_of_a_model_is_refused_at_its_first_bytes(house: House, mirror: Mirror) -> None:
    mirror.files[f"{REPO}/model-Q4_K_M.gguf"] = b"<!doctype html>" + b" " * 3_000_000
    job = await house.ended(await house.downloads.order(order()), "failed")
    assert house.downloads.orders.failures[job.id].code == "not_a_model"
    assert "not a model file" in job.error
    assert (house.folder / "model-Q4_K_M.gguf.part").stat().st_size == 0
    assert not (house.folder / "model-Q4_K_M.gguf").exists()


async def test_a_pinned_checksum_counts_more_than_the_hub(house: House, mirror: Mirror) -> None:
    wrong = order_from_hub(REPO, "model-Q4_K_M.gguf", sha256="0" * 64)
    job = await house.ended(await house.downloads.order(wrong), "failed")
    assert house.downloads.orders.failures[job.id].code == "checksum_mismatch"
    assert house.names() == []


async def test_the_hubs_key_of_the_options_is_sent(house: House, mirror: Mirror) -> None:
    mirror.token = "hf_secret"
    job = await house.ended(await house.downloads.order(order()), "failed")
    assert house.downloads.orders.failures[job.id].code == "hub_refused"
    house.options = LocalModelOptions.model_validate({"hub_url": mirror.url, "hub_token": "hf_secret"})
    await house.jobs.resume(job.id)
    await house.ended(job, "done")
    assert house.names() == ["model-Q4_K_M.gguf"]


async def test_all_parts_of_a_split_model_are_fetched(house: House, mirror: Mirror) -> None:
    first = tiny_model("Split", split__no=0, split__count=2)
    second = gguf_bytes(
        {"general.architecture": None, "split.no": 1, "split.count": 2}, tensors=[("v", [32, 32], 0, 0)], data=4096
    )
    mirror.files[f"{REPO}/Q4/big-00001-of-00002.gguf"] = first
    mirror.files[f"{REPO}/Q4/big-00002-of-00002.gguf"] = second
    job = await house.ended(await house.downloads.order(order_from_hub(REPO, "Q4/big-00002-of-00002.gguf")), "done", "failed")
    assert job.error == ""
    assert house.names() == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]


async def test_orphans_are_swept_away(house: House) -> None:
    house.folder.mkdir(parents=True)
    (house.folder / "gone.gguf.part").write_bytes(b"x")
    (house.folder / "gone.gguf.part.json").write_text("{}")
    (house.folder / "kept.gguf").write_bytes(b"x")
    await house.downloads.tidy()
    assert house.names() == ["kept.gguf"]


@pytest.mark.parametrize(
    ("repo", "name"),
    [
        ("../../etc", "x.gguf"), ("a/b/c", "x.gguf"),
        ("org/repo", "../x.gguf"), ("org/repo", "a/../x.gguf"), ("org/repo", "x.bin"),
        ("org/repo", "/etc/x.gguf"), ("org/repo", "x\n.gguf"), ("org", "x.gguf"), ("org/repo?x=", "x.gguf"),
        ("org/repo", "x.gguf?a=b"),
        ("org/repo", "m-00001-of-99999.gguf"),
    ],
)  # fmt: skip
def test_odd_names_are_refused(repo: str, name: str) -> None:
    with pytest.raises(InvalidInput):
        order_from_hub(repo, name)


@pytest.mark.parametrize(
    "url",
    ["http://example.org/x.gguf", "https://example.org/x.bin", "file:///x.gguf", "https://u:p@example.org/x.gguf", "x.gguf"],
)
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(InvalidInput):
        order_from_url(url)


@pytest.mark.parametrize(
    "path", ["../../up.gguf", "a/b/..gguf", "/etc/passwd", ".hidden.gguf", "q w:e.gguf", "....gguf", "мо дель.gguf"]
)
def test_a_foreign_name_never_becomes_a_path(path: str) -> None:
    name = file_name(path)
    assert name.endswith(".gguf")
    assert not name.startswith(".")
    assert not set(name) & set('/\\:"\0 ')
    assert file_name(name) == name


async def test_the_hub_can_be_searched_and_its_files_listed(mirror: Mirror) -> None:
    mirror.files[f"{REPO}/a.gguf"] = BODY
    mirror.files[f"{REPO}/b.gguf"] = tiny_model()
    hub = GgufHub(LocalModelOptions(hub_url=mirror.url))
    found = await hub.search("repo")
    assert [(item.id, item.licence, item.gated) for item in found] == [(REPO, "mit", False)]
    files = await hub.files(REPO)
    assert [(file.name, file.size, file.sha256) for file in files] == [
        ("a.gguf", len(BODY), hashlib.sha256(BODY).hexdigest()),
        ("b.gguf", len(tiny_model()), hashlib.sha256(tiny_model()).hexdigest()),
    ]
    with pytest.raises(HubError, match="no such repository"):
        await hub.files("org/nothing")
    with pytest.raises(HubError, match="cannot be reached"):
        await GgufHub(LocalModelOptions(hub_url="http://127.0.0.1:9")).search("x")


def test_every_recommendation_can_be_ordered() -> None:
    assert len({entry.id for entry in CATALOGUE}) == len(CATALOGUE)
    for entry in CATALOGUE:
        assert order_from_entry(entry).files[0].file == entry.file
        assert entry.ram_gb in RAM_CLASSES
        # the file itself must fit into the memory class, with room for the conversation and the system
        assert entry.size < entry.ram_gb * 0.75 * (1 << 30)
    for size in RAM_CLASSES:
        assert any(entry.ram_gb == size and entry.recommended for entry in CATALOGUE)
    for language in ("ru", "en"):
        assert all(any(language in e.languages for e in CATALOGUE if e.ram_gb == size) for size in RAM_CLASSES)


@pytest.mark.parametrize(("gib", "expected"), [(0.9, 0), (1.9, 2), (3.8, 4), (7.6, 8), (15.5, 16), (31.1, 32), (63, 32), (5, 4)])
def test_memory_classes(gib: float, expected: int) -> None:
    assert ram_class(int(gib * (1 << 30))) == expected


def test_what_is_suggested_first_answers_at_the_speed_of_speech() -> None:
    def offer(ram_gb: int, bandwidth: float) -> list[Recommendation]:
        return [
            Recommendation(entry, entry.ram_gb <= ram_gb, bandwidth / (entry.size * entry.active), None, None)
            for entry in CATALOGUE
        ]

    def best(ram_gb: int, bandwidth: float) -> str:
        found = LocalModels.best(offer(ram_gb, bandwidth))
        return found.entry.id if found is not None else ""

    assert best(16, 8e9) == "qwen3-1.7b"  # much memory, one thread: a large model would be too slow to talk to
    assert best(32, 9e9) == "qwen3-30b-a3b"  # large, but little of it is read per token
    assert best(16, 40e9) == "vikhr-nemo-12b"
    assert best(2, 1e9) == "qwen3-0.6b"  # slow, but it fits
    assert best(0, 8e9) == ""


def test_the_job_kind_is_named_after_the_plugin() -> None:
    assert JOB_KIND == "llm_local.download"
