from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ai_secretary.errors import Conflict, InvalidInput, ProviderError
from ai_secretary.events import EventBus
from ai_secretary.jobs import Job, JobChanged, JobContext, Jobs
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database


@pytest.fixture
def registries() -> Registries:
    return Registries()


@pytest.fixture
async def jobs(sqlite_database: Database, registries: Registries, bus: EventBus, tmp_path: Path) -> AsyncIterator[Jobs]:
    jobs = Jobs(sqlite_database, registries, bus, f"sqlite:///{tmp_path / 'jobs.db'}")
    jobs.start()
    yield jobs
    await jobs.close()


async def ended(jobs: Jobs, job_id: str, *states: str) -> Job:
    async with asyncio.timeout(20):
        while (job := await jobs.get(job_id)).state not in states:
            await asyncio.sleep(0.02)
    return job


async def test_a_job_runs_reports_progress_and_ends(jobs: Jobs, registries: Registries, bus: EventBus) -> None:
    heard: list[Job] = []
    bus.subscribe(JobChanged, lambda event: heard.append(event.job))

    async def copy(context: JobContext) -> dict[str, object]:
        await context.progress(5, 10, "half")
        await context.progress(10, 10)
        return {"file": context.payload["name"]}

    registries.add_job_kind("demo", "copy", copy, "Copy", 1)
    job = await jobs.enqueue("demo.copy", {"name": "a.gguf"}, title="Copy a.gguf")
    job = await ended(jobs, job.id, "done")
    assert job.result == {"file": "a.gguf"}
    assert job.progress == 1.0
    await bus.drain()
    assert next(item.state for item in heard if item.id == job.id) == "queued"
    assert heard[-1].state == "done"


async def test_the_same_key_gives_the_same_job_until_it_has_ended(jobs: Jobs, registries: Registries) -> None:
    release = asyncio.Event()

    async def wait(context: JobContext) -> None:
        await release.wait()

    registries.add_job_kind("demo", "wait", wait, "Wait", 1)
    first = await jobs.enqueue("demo.wait", {}, key="k")
    assert (await jobs.enqueue("demo.wait", {}, key="k")).id == first.id
    release.set()
    await ended(jobs, first.id, "done")
    assert (await jobs.enqueue("demo.wait", {}, key="k")).id != first.id


async def test_pause_and_resume_and_cancel(jobs: Jobs, registries: Registries) -> None:
    runs = 0

    async def count(context: JobContext) -> None:
        nonlocal runs
        runs += 1
        while True:
            context.raise_if_stopping()
            await asyncio.sleep(0.01)

    registries.add_job_kind("demo", "count", count, "Count", 1)
    job = await jobs.enqueue("demo.count", {})
    await ended(jobs, job.id, "running")
    assert (await jobs.pause(job.id)).state == "paused"
    await jobs.resume(job.id)
    await ended(jobs, job.id, "running")
    assert runs == 2
    assert (await jobs.cancel(job.id)).state == "cancelled"
    with pytest.raises(Conflict):
        await jobs.resume(job.id)


async def test_a_handler_deaf_to_the_request_is_cancelled(jobs: Jobs, registries: Registries) -> None:
    async def deaf(context: JobContext) -> None:
        await asyncio.sleep(3600)

    registries.add_job_kind("demo", "deaf", deaf, "Deaf", 1)
    job = await jobs.enqueue("demo.deaf", {})
    await ended(jobs, job.id, "running")
    assert (await jobs.cancel(job.id)).state == "cancelled"


async def test_a_failure_is_told_and_can_be_tried_again(jobs: Jobs, registries: Registries) -> None:
    attempts = 0

    async def flaky(context: JobContext) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            raise ProviderError("The server {host} does not answer", host="models.example")

    registries.add_job_kind("demo", "flaky", flaky, "Flaky", 1)
    job = await jobs.enqueue("demo.flaky", {})
    assert (await ended(jobs, job.id, "failed")).error == "The server models.example does not answer"
    await jobs.resume(job.id)
    await ended(jobs, job.id, "done")


async def test_a_finished_step_is_not_done_again(jobs: Jobs, registries: Registries) -> None:
    ran: list[str] = []

    async def stepwise(context: JobContext) -> dict[str, object]:
        async def first() -> str:
            ran.append("first")
            return "one"

        return {"first": await context.step("first", first)}

    registries.add_job_kind("demo", "stepwise", stepwise, "Steps", 1)
    job = await jobs.enqueue("demo.stepwise", {})
    assert (await ended(jobs, job.id, "done")).result == {"first": "one"}
    assert ran == ["first"]


async def test_an_unknown_kind_is_refused(jobs: Jobs) -> None:
    with pytest.raises(InvalidInput):
        await jobs.enqueue("nobody.knows", {})


async def test_work_goes_on_after_a_clean_restart(
    sqlite_database: Database, registries: Registries, bus: EventBus, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    started = asyncio.Event()

    async def first_life(context: JobContext) -> None:
        started.set()
        await asyncio.sleep(3600)

    registries.add_job_kind("demo", "long", first_life, "Long", 1)
    jobs = Jobs(sqlite_database, registries, bus, url)
    jobs.start()
    job = await jobs.enqueue("demo.long", {})
    await asyncio.wait_for(started.wait(), 20)
    await jobs.close()
    assert (await jobs.get(job.id)).state == "queued"

    async def second_life(context: JobContext) -> dict[str, object]:
        return {"life": 2}

    registries.remove_owner("demo")
    registries.add_job_kind("demo", "long", second_life, "Long", 1)
    again = Jobs(sqlite_database, registries, bus, url)
    again.start()
    try:
        assert (await ended(again, job.id, "done")).result == {"life": 2}
    finally:
        await again.close()
