"""A worker as its user sees it: real processes, on both event loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from ai_secretary.errors import InvalidInput
from ai_secretary.workers import Worker, WorkerError, WorkerState

MakeWorker = Callable[..., Worker]


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait for something that another process does; fails when it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def test_starts_at_the_first_call_and_keeps_its_process(make_worker: MakeWorker) -> None:
    worker = make_worker(init={"greeting": "good day"})
    assert worker.state == "stopped"
    assert worker.pid is None
    assert await worker.call("greet", name="Anna") == "good day, Anna"
    assert worker.state == "ready"
    assert await worker.call("pid") == worker.pid == await worker.call("pid")
    assert worker.pid != os.getpid()


@pytest.mark.parametrize("value", [None, 7, 1.5, "ё", b"\x00\xff" * 300_000, [1, [2, {"a": b"b"}]], {"k": True}, "x" * 3_000_000])
async def test_values_survive_the_way_there_and_back(make_worker: MakeWorker, value: Any) -> None:
    assert await make_worker().call("echo", value=value) == value


async def test_many_calls_at_once_get_their_own_answers(make_worker: MakeWorker) -> None:
    worker = make_worker()
    assert await asyncio.gather(*(worker.call("echo", value=n) for n in range(500))) == list(range(500))


async def test_methods_run_side_by_side_up_to_the_limit(make_worker: MakeWorker) -> None:
    worker = make_worker(concurrency=3)
    assert sorted(await asyncio.gather(*(worker.call("meet", n=3) for _ in range(6)))) == [0, 0, 1, 1, 2, 2]
    with pytest.raises(WorkerError, match="BrokenBarrierError"):  # four never meet where three may run
        await asyncio.gather(*(make_worker_calls(make_worker(concurrency=3), 4)))


def make_worker_calls(worker: Worker, n: int) -> list[Any]:
    return [worker.call("meet", n=n) for _ in range(n)]


async def test_a_stream_comes_item_by_item(make_worker: MakeWorker) -> None:
    worker = make_worker()
    await worker.start()
    started = time.monotonic()
    arrivals = [(number, time.monotonic() - started) async for number in worker.stream("count", n=4, pause=0.15)]
    assert [number for number, _ in arrivals] == [0, 1, 2, 3]
    assert arrivals[0][1] < 0.4 < arrivals[3][1]


async def test_closing_a_stream_closes_the_generator(make_worker: MakeWorker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    worker = make_worker(init={"trace": str(trace)})
    stream = worker.stream("count", n=10_000, pause=0.05)
    assert await anext(stream) == 0
    started = time.monotonic()
    await stream.aclose()
    assert time.monotonic() - started < 0.5
    await until(lambda: "closed after 10000" in lines(trace), 1.0)
    await until(lambda: worker.active == 0, 1.0)


async def test_cancelling_a_call_tells_the_method(make_worker: MakeWorker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    worker = make_worker(init={"trace": str(trace)})
    await worker.start()
    task = asyncio.create_task(worker.call("wait_cancelled", seconds=20))
    await until(lambda: worker.active == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: lines(trace) == ["cancelled"], 1.0)


async def test_a_cancelled_call_that_waits_for_a_thread_never_runs(make_worker: MakeWorker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    worker = make_worker(init={"trace": str(trace)}, concurrency=1)
    await worker.start()
    first = asyncio.create_task(worker.call("sleep", seconds=0.5))
    await until(lambda: worker.active == 1)
    second = asyncio.create_task(worker.call("wait_cancelled", seconds=0))
    await until(lambda: worker.active == 2)
    second.cancel()
    assert await first == "slept"
    await until(lambda: worker.active == 0)
    assert lines(trace) == []


async def test_a_slow_reader_holds_the_engine_back(make_worker: MakeWorker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    worker = make_worker(init={"trace": str(trace)})
    stream = worker.stream("blocks", n=200, size=50_000)
    assert len(await anext(stream)) == 50_000
    await until(lambda: len(lines(trace)) >= 6)
    await asyncio.sleep(0.3)  # time in which an unbounded engine would make all 200
    assert len(lines(trace)) <= 8
    assert len([block async for block in stream]) == 199  # and nothing is lost
    assert len(lines(trace)) == 200


async def test_an_expected_error_keeps_its_class_code_and_hint(make_worker: MakeWorker) -> None:
    with pytest.raises(InvalidInput, match="Speed is 9") as caught:
        await make_worker().call("refuse")
    assert (caught.value.code, caught.value.hint) == ("speed_range", "Choose another.")


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ("fail", "out of steam"), ("missing_file", "FileNotFoundError"), ("unspeakable", "TypeError"), ("nothing", "no method"),
        ("_note", "no method"), ("greeting", "no method"),
    ],
)  # fmt: skip
async def test_a_failed_method_is_an_error_and_the_process_goes_on(make_worker: MakeWorker, method: str, words: str) -> None:
    worker = make_worker()
    with pytest.raises(WorkerError, match=words):
        await worker.call(method)
    assert await worker.call("greet", name="B") == "hello, B"
    assert worker.restarts == 0


async def test_a_stream_that_fails_gives_what_it_had(make_worker: MakeWorker) -> None:
    stream = make_worker().stream("fail_midway")
    assert await anext(stream) == 1
    with pytest.raises(WorkerError, match="midway"):
        await anext(stream)


async def test_a_value_that_cannot_cross_is_refused_here(make_worker: MakeWorker) -> None:
    worker = make_worker()
    with pytest.raises(TypeError):
        await worker.call("echo", value=object())
    assert worker.active == 0
    assert await worker.call("echo", value=1) == 1


@pytest.mark.parametrize("how", ["segfault", "die", "kill"])
async def test_a_crash_fails_pending_calls_and_the_next_call_works(make_worker: MakeWorker, how: str) -> None:
    states: list[tuple[WorkerState, str]] = []
    worker = make_worker(on_state=lambda state, reason: states.append((state, reason)))
    await worker.start()
    pending = asyncio.create_task(worker.call("sleep", seconds=30))
    stream = worker.stream("count", n=1000, pause=0.05)
    await anext(stream)
    first_pid = worker.pid
    if how == "kill":
        assert first_pid is not None
        os.kill(first_pid, signal.SIGKILL)
    else:
        with pytest.raises(WorkerError, match="ended while it worked"):
            await worker.call(how)
    with pytest.raises(WorkerError) as caught:
        await pending
    assert caught.value.code == "worker_crashed"
    with pytest.raises(WorkerError):
        async for _ in stream:
            pass
    assert await worker.call("greet", name="C") == "hello, C"
    assert worker.pid != first_pid
    assert worker.restarts == 1
    assert [state for state, _ in states] == ["starting", "ready", "restarting", "restarting", "ready"] or [
        state for state, _ in states
    ] == ["starting", "ready", "restarting", "ready"]


async def test_repeated_crashes_pause_longer_and_longer(make_worker: MakeWorker) -> None:
    worker = make_worker()
    pauses = []
    for _ in range(4):
        with contextlib.suppress(WorkerError):
            await worker.call("die")
        crashed = time.monotonic()
        await worker.call("pid")
        pauses.append(time.monotonic() - crashed)
    assert pauses[3] > 1.0 > pauses[0]


async def test_the_reason_why_an_engine_cannot_start_reaches_the_caller(make_worker: MakeWorker) -> None:
    worker = make_worker("Broken")
    with pytest.raises(WorkerError, match="model file is missing") as caught:
        await worker.start()
    assert caught.value.code == "worker_start_failed"
    assert caught.value.hint == "Download it again."
    assert worker.state == "failed"
    assert "missing" in worker.reason
    with pytest.raises(WorkerError) as again:  # at once, without another try
        await worker.call("greet", name="x")
    assert again.value.retry_after is not None
    assert 0 < worker.retry_in <= 0.24


@pytest.mark.parametrize(
    ("engine", "words"), [("Crashing", "exit status 7"), ("Nobody", "AttributeError"), ("Slow", "not ready")]
)
async def test_a_start_that_fails_otherwise(make_worker: MakeWorker, engine: str, words: str) -> None:
    with pytest.raises(WorkerError, match=words):
        await make_worker(engine, start_timeout_s=1.5).start()


async def test_a_failed_worker_recovers_when_the_cause_is_gone(make_worker: MakeWorker, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    worker = make_worker("Flaky", init={"flag": str(flag)})
    with pytest.raises(WorkerError):
        await worker.call("greet")
    flag.touch()
    await asyncio.sleep(0.3)  # its pause after the first failure is at most 0.24 s
    assert await worker.call("greet") == "here"


async def test_a_deadline_ends_the_wait_and_a_hang_ends_the_process(make_worker: MakeWorker, tmp_path: Path) -> None:
    worker = make_worker(init={"trace": str(tmp_path / "trace")})
    await worker.start()
    polite = worker.pid
    with pytest.raises(WorkerError) as caught:
        await worker.within(0.2).call("wait_cancelled", seconds=20)
    assert caught.value.code == "worker_timeout"
    assert await worker.within(5).call("pid") == polite  # it noticed the cancellation
    with pytest.raises(WorkerError):
        async for _ in worker.within(0.2).stream("count", n=3, pause=0.6):
            pass
    await until(lambda: worker.active == 0, 2.0)
    with pytest.raises(WorkerError):
        await worker.within(0.2).call("sleep", seconds=60)
    await until(lambda: worker.pid != polite, 3.0)
    assert await worker.call("greet", name="D") == "hello, D"


async def test_a_frozen_process_is_noticed_by_its_heartbeat(make_worker: MakeWorker) -> None:
    worker = make_worker(heartbeat_s=0.1, hang_s=0.5)
    await worker.start()
    frozen = worker.pid
    with pytest.raises(WorkerError) as caught:
        await worker.call("hold_interpreter", seconds=60)
    assert "heartbeat" in str(caught.value)
    assert await worker.call("pid") != frozen


async def test_it_sleeps_when_nobody_needs_it(make_worker: MakeWorker) -> None:
    worker = make_worker(idle_stop_s=0.3, heartbeat_s=0.05)
    first = await worker.call("pid")
    assert await worker.call("sleep", seconds=0.6) == "slept"  # work is not idleness
    assert worker.pid == first
    await until(lambda: worker.state == "stopped")
    assert not alive(first)
    assert await worker.call("pid") != first
    assert worker.restarts == 0


async def test_memory_is_given_back_when_there_is_nothing_to_do(make_worker: MakeWorker) -> None:
    worker = make_worker(max_rss_mb=300, heartbeat_s=0.05)
    first = await worker.call("pid")
    await worker.call("grow", megabytes=290)
    await until(lambda: worker.pid != first)
    assert await worker.call("greet", name="E") == "hello, E"
    assert worker.restarts == 0


async def test_far_too_much_memory_ends_the_process_at_once(make_worker: MakeWorker) -> None:
    worker = make_worker(max_rss_mb=100, heartbeat_s=0.05)
    with pytest.raises(WorkerError, match="too much memory"):
        await asyncio.gather(worker.call("grow", megabytes=200), worker.call("sleep", seconds=30))
    assert await worker.call("greet", name="E") == "hello, E"


async def test_output_of_the_engine_does_not_disturb(make_worker: MakeWorker) -> None:
    assert await make_worker().call("shout", lines=500) == "done"


async def test_the_environment_and_the_command_line_hold_no_secrets(
    make_worker: MakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRETARY_SECRET_KEY", "do-not-tell-anyone")
    worker = make_worker(init={"greeting": "a-secret-greeting"}, env={"MODEL_HOME": "here"})
    seen = await worker.call("environment")
    assert "do-not-tell-anyone" not in str(seen)
    assert seen["OMP_WAIT_POLICY"] == "PASSIVE"
    assert seen["MODEL_HOME"] == "here"
    assert "a-secret-greeting" not in str(seen) + str(await worker.call("command_line"))


async def test_stop_closes_the_engine_and_what_it_started(make_worker: MakeWorker, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    worker = make_worker(init={"trace": str(trace)})
    program, pid = await worker.call("start_program"), worker.pid
    assert pid is not None
    pending = asyncio.create_task(worker.call("wait_cancelled", seconds=30))
    await until(lambda: worker.active == 1)
    await worker.stop()
    with pytest.raises(WorkerError) as caught:
        await pending
    assert caught.value.code == "worker_stopped"
    assert lines(trace) == ["cancelled", "engine closed"]
    assert worker.state == "stopped"
    assert not alive(pid)
    await until(lambda: not alive(program))


async def test_stop_does_not_wait_for_a_stuck_method(make_worker: MakeWorker) -> None:
    worker = make_worker(stop_timeout_s=0.5)
    await worker.start()
    pending = asyncio.create_task(worker.call("hold_interpreter", seconds=30))
    await until(lambda: worker.active == 1)
    started = time.monotonic()
    await worker.stop()
    assert time.monotonic() - started < 2.0
    with pytest.raises(WorkerError):
        await pending


async def test_stop_while_it_starts(make_worker: MakeWorker) -> None:
    worker = make_worker("Slow")
    starting = asyncio.create_task(worker.start())
    await until(lambda: worker.state == "starting")
    await asyncio.sleep(0.05)
    await worker.stop()
    with pytest.raises(WorkerError):
        await starting
