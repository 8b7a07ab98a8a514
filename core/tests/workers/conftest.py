from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from ai_secretary.workers import Worker

HERE = Path(__file__).parent


MakeWorker = Callable[..., Worker]


@pytest.fixture
async def make_worker() -> AsyncIterator[MakeWorker]:
    """Workers that run `engines.py` and are stopped when the test ends."""
    made: list[Worker] = []

    def make(engine: str = "Engine", **options: Any) -> Worker:
        env = {"PYTHONPATH": str(HERE), **options.pop("env", {})}
        worker = Worker(f"engines:{engine}", name="test", env=env, **options)
        made.append(worker)
        return worker

    yield make
    for worker in made:
        await worker.stop()
