"""A process that does durable work, to be killed by the test. Arguments: folder, life (1 or 2)."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from ai_secretary.events import EventBus
from ai_secretary.jobs import JobContext, Jobs
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Base, Database
from ai_secretary.storage.migrations import create_schema_for_tests


async def main(folder: Path, life: str) -> None:
    database = Database(f"sqlite:///{folder / 'main.db'}")
    await create_schema_for_tests(database, Base.metadata)
    registries = Registries()
    notes = folder / "notes.txt"

    def note(text: str) -> None:
        with notes.open("a") as file:
            file.write(f"{text}\n")

    async def handler(context: JobContext) -> dict[str, object]:
        note(f"run in life {life}")

        async def expensive() -> str:
            note("expensive step")
            return "kept"

        kept = await context.step("expensive", expensive)
        if life == "1":
            note("waiting to be killed")
            await asyncio.sleep(3600)
        return {"kept": kept}

    registries.add_job_kind("demo", "work", handler, "Work", 1)
    jobs = Jobs(database, registries, EventBus(), f"sqlite:///{folder / 'jobs.db'}")
    jobs.start()
    if life == "1":
        await jobs.enqueue("demo.work", {}, key="the-work")
        await asyncio.sleep(3600)
    async with asyncio.timeout(30):
        while (job := (await jobs.list())[0]).state != "done":
            await asyncio.sleep(0.05)
    note(f"result {job.result}")
    await jobs.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
