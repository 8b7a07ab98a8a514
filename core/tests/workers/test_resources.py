"""What workers cost, and that they leave nothing behind."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import uvloop

from ai_secretary.testing.loop_probe import LoopProbe
from ai_secretary.workers import Worker, WorkerError

MakeWorker = Callable[..., Worker]
HERE = Path(__file__).parent


async def test_two_hundred_lives_leave_nothing_behind() -> None:
    me = psutil.Process()

    async def live() -> None:
        worker = Worker("engines:Engine", name="mayfly", env={"PYTHONPATH": str(HERE)})
        assert await worker.call("echo", value=1) == 1
        stream = worker.stream("count", n=5)
        await anext(stream)
        await stream.aclose()
        await worker.stop()

    others = set(me.children(recursive=True))
    for _ in range(4):
        await live()
    await asyncio.sleep(0.05)
    descriptors, tasks, threads = me.num_fds(), len(asyncio.all_tasks()), me.num_threads()
    for _ in range(50):
        await asyncio.gather(*(live() for _ in range(4)))
    await asyncio.sleep(0.05)
    assert set(me.children(recursive=True)) <= others
    assert me.num_fds() <= descriptors
    assert len(asyncio.all_tasks()) == tasks
    assert me.num_threads() <= threads


def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """The parent is killed by SIGKILL, so that it cannot say goodbye."""
    told = tmp_path / "pid"
    script = f"""
import asyncio
from ai_secretary.workers import Worker

async def main():
    worker = Worker("engines:Engine", name="orphan", env={{"PYTHONPATH": {str(HERE)!r}}})
    open({str(told)!r}, "w").write(f"{{await worker.call('pid')}}")
    await worker.call("sleep", seconds=600)

asyncio.run(main())
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (told.exists() and told.read_text()):
            assert time.monotonic() < deadline, "the worker did not start"
            time.sleep(0.02)
    finally:
        parent.kill()
        parent.wait()
    pid = int(told.read_text())
    deadline = time.monotonic() + 3
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.02)


async def test_the_loop_stays_free_while_engines_work(make_worker: MakeWorker) -> None:
    """Starts, streams and large values of three workers never hold the loop for 50 ms."""

    async def work() -> None:
        worker = make_worker()
        async for _ in worker.stream("blocks", n=100, size=40_000):
            pass

    async with LoopProbe() as probe:
        await asyncio.gather(*(work() for _ in range(3)))
    assert probe.held < 0.05, f"the loop was held for {probe.held * 1000:.0f} ms"


def test_all_of_it_works_on_the_loop_of_the_server() -> None:
    """The server runs on uvloop, whose transports and watchers are other code."""

    async def life() -> None:
        worker = Worker("engines:Engine", name="uv", env={"PYTHONPATH": str(HERE)})
        assert await worker.call("echo", value=b"x" * 3_000_000) == b"x" * 3_000_000
        assert [number async for number in worker.stream("count", n=3)] == [0, 1, 2]
        stream = worker.stream("blocks", n=1000, size=50_000)
        await anext(stream)
        await stream.aclose()
        pid = worker.pid
        assert pid is not None
        pending = asyncio.create_task(worker.call("sleep", seconds=30))
        await asyncio.sleep(0.1)
        psutil.Process(pid).kill()
        with pytest.raises(WorkerError):
            await pending
        assert await worker.call("greet", name="U") == "hello, U"
        await worker.stop()

    async def scenario() -> None:
        others = set(psutil.Process().children())
        await life()  # the loop itself opens something at the first use
        descriptors = psutil.Process().num_fds()
        for _ in range(5):
            await life()
        await asyncio.sleep(0.05)
        assert psutil.Process().num_fds() == descriptors
        assert set(psutil.Process().children()) <= others

    uvloop.run(scenario())


@pytest.mark.slow
async def test_a_small_call_costs_little(make_worker: MakeWorker) -> None:
    worker = make_worker()
    await worker.start()
    for _ in range(200):
        await worker.call("echo", value=1)
    times = []
    for _ in range(1000):
        started = time.perf_counter()
        await worker.call("echo", value=1)
        times.append(time.perf_counter() - started)
    median = sorted(times)[500]
    print(f"small call: {median * 1e6:.0f} us median, {sorted(times)[990] * 1e6:.0f} us p99")
    assert median < 0.001  # the target is 150 us on a quiet machine; the bound allows for a busy one
