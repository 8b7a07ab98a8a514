"""Orders as durable work: pause, resume, cancel, a restart in the middle, what is left behind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ai_secretary.downloads import Orders, Part, Transfer, sweep
from ai_secretary.events import EventBus
from ai_secretary.jobs import Job, JobChanged, JobContext, Jobs
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database
from ai_secretary.testing.mirror import Mirror

BODY = os.urandom(3_000_000)


class House:
    """Jobs and orders over one database, as one run of the server has them."""

    def __init__(self, database: Database, folder: Path, mirror: Mirror, bus: EventBus) -> None:
        registries = Registries()
        self.part = Part(folder / "files" / "file")
        self.url = mirror.url
        self.jobs = Jobs(database, registries, bus, f"sqlite:///{folder / 'jobs.db'}")
        self.orders = Orders(self.jobs, "test.download", self._carry_out, self._forget)
        registries.add_job_kind("test", "download", self.orders.handle, "Download", 1)
        bus.subscribe(JobChanged, self.orders.on_change)
        self.jobs.start()

    async def _carry_out(self, context: JobContext) -> dict[str, Any]:
        transfer = Transfer(f"{self.url}/file", self.part, progress=context.progress, first_wait_s=0.01)
        return {"sha256": await transfer.run_for(context)}

    async def _forget(self, _job_id: str, payload: dict[str, Any]) -> None:
        assert payload == {"what": "file"}
        await asyncio.to_thread(self.part.remove)

    async def place(self) -> Job:
        return await self.orders.place({"what": "file"}, title="File", key="file")

    async def ended(self, job: Job, state: str) -> Job:
        async with asyncio.timeout(20):
            while (job := await self.jobs.get(job.id)).state != state:
                await asyncio.sleep(0.02)
        return job

    def names(self) -> list[str]:
        return sorted(path.name for path in self.part.final.parent.iterdir())


@pytest.fixture
async def house(sqlite_database: Database, tmp_path: Path, mirror: Mirror, bus: EventBus) -> AsyncIterator[House]:
    mirror.files["file"] = BODY
    house = House(sqlite_database, tmp_path, mirror, bus)
    yield house
    await house.jobs.close()


async def under_way(house: House, mirror: Mirror) -> Job:
    mirror.delay = 0.02
    job = await house.place()
    await asyncio.wait_for(mirror.piece_sent.wait(), 10)
    await asyncio.sleep(0.1)
    return job


async def test_the_same_order_is_the_same_job_and_goes_on_when_paused(house: House, mirror: Mirror) -> None:
    job = await under_way(house, mirror)
    assert (await house.place()).id == job.id
    assert (await house.jobs.pause(job.id)).state == "paused"
    have = house.part.size()
    assert 0 < have < len(BODY)
    mirror.delay = 0
    assert (await house.place()).id == job.id
    job = await house.ended(job, "done")
    assert house.part.final.read_bytes() == BODY
    assert f"bytes={have}-" in mirror.asked()
    assert (job.done, job.total) == (len(BODY), len(BODY))
    assert [found.id for found in (await house.orders.latest(lambda job: job.title)).values()] == [job.id]


async def test_a_running_order_that_is_cancelled_leaves_nothing(house: House, mirror: Mirror) -> None:
    job = await under_way(house, mirror)
    assert (await house.orders.cancel(job.id)).state == "cancelled"
    assert house.names() == []


async def test_a_paused_order_that_is_cancelled_leaves_nothing(house: House, mirror: Mirror, bus: EventBus) -> None:
    job = await under_way(house, mirror)
    await house.jobs.pause(job.id)
    assert house.names() == ["file.part", "file.part.json"]
    await house.orders.cancel(job.id)
    await bus.drain()
    assert house.names() == []


async def test_a_failed_order_keeps_its_reason_and_can_be_tried_again_or_called_off(
    house: House, mirror: Mirror, bus: EventBus
) -> None:
    mirror.cut_after, mirror.statuses = [1_000_000], [0, 403]
    job = await house.ended(await house.place(), "failed")
    failure = house.orders.failures[job.id]
    assert failure.code == "source_refused"
    assert job.error == failure.message
    assert house.part.size() == 1_000_000
    mirror.delay = 0.02
    await house.orders.cancel(job.id)
    await house.ended(job, "cancelled")
    await bus.drain()
    assert house.names() == []
    mirror.delay = 0
    again = await house.place()
    assert again.id != job.id
    await house.ended(again, "done")


async def test_a_restart_in_the_middle_goes_on(sqlite_database: Database, tmp_path: Path, mirror: Mirror, bus: EventBus) -> None:
    mirror.files["file"] = BODY
    before = House(sqlite_database, tmp_path, mirror, bus)
    job = await under_way(before, mirror)
    await before.jobs.close()
    have = before.part.size()
    assert 0 < have < len(BODY)
    mirror.delay = 0
    after = House(sqlite_database, tmp_path, mirror, bus)
    await after.ended(job, "done")
    assert after.part.final.read_bytes() == BODY
    assert f"bytes={have}-" in mirror.asked()
    await after.jobs.close()


def test_parts_that_belong_to_nobody_are_swept_away(tmp_path: Path) -> None:
    for name in ("gone.part", "gone.part.json", "wanted.part", "wanted.part.json", "whole"):
        (tmp_path / name).write_text("{}")
    assert sweep(tmp_path, {"wanted"}) == ["gone.part"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wanted.part", "wanted.part.json", "whole"]
    assert sweep(tmp_path / "nowhere", set()) == []
