"""The real demo model in real child processes: answers, cancellation, side by side, crashes, memory, idleness."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import psutil
import pytest
from llm_local_files import tiny_model, with_metadata

from ai_secretary.errors import InvalidInput, ProviderError
from ai_secretary.llm import ChatDelta, ChatMessage, ChatRequest, EmbeddingModel, RelayingChatModel, Sampling
from ai_secretary_llm_local.errors import ModelBusy, ModelUnavailable
from ai_secretary_llm_local.source import LocalChatModel, LocalModelSource

if TYPE_CHECKING:
    from conftest import Machine

pytestmark = pytest.mark.models
DEMO = "local/smollm2-135m"


def ask(text: str, **sampling: object) -> ChatRequest:
    return ChatRequest("smollm2-135m", (ChatMessage("user", text),), Sampling(**sampling))  # type: ignore[arg-type]


def model_of(machine: Machine, model_id: str = DEMO) -> LocalChatModel:
    found = LocalModelSource(machine.library, machine.pool).find(model_id)
    assert isinstance(found, LocalChatModel)
    return found


async def collect(model: LocalChatModel, request: ChatRequest) -> list[ChatDelta]:
    return [delta async for delta in model.stream(request)]


def text_of(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas)


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def pid_of(machine: Machine, model_id: str = DEMO) -> int:
    loaded = machine.pool.get(model_id)
    assert loaded is not None
    assert loaded.process.pid is not None
    return loaded.process.pid


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_answers_in_english_piece_by_piece_with_real_usage(machine: Machine) -> None:
    model = model_of(machine)
    assert model.info.state == "idle"
    arrivals: list[float] = []
    deltas: list[ChatDelta] = []
    async for delta in model.stream(ask("Say hello to the caller and ask how you can help.", max_tokens=40, temperature=0.0)):
        arrivals.append(time.monotonic())
        deltas.append(delta)
    text = text_of(deltas)
    assert text.isascii()
    assert "help" in text.lower() or "assist" in text.lower()
    assert deltas[-1].finish_reason in {"stop", "length"}
    assert [delta.finish_reason for delta in deltas[:-1]] == [None] * (len(deltas) - 1)
    usage = deltas[-1].usage
    assert usage is not None
    assert 5 <= usage.completion_tokens <= 40
    assert 30 <= usage.prompt_tokens <= 60
    assert usage.cost_usd == 0.0
    # streamed: the pieces come over time, not in one lump at the end
    assert arrivals[-1] - arrivals[0] > 0.02
    assert sum(1 for delta in deltas if delta.text) >= usage.completion_tokens // 2
    assert model.info.state == "ready"


async def test_sampling_parameters_reach_the_engine(machine: Machine) -> None:
    model = model_of(machine)
    seeded = ask("Tell me a story about a fox.", max_tokens=24, temperature=1.0, seed=7)
    assert text_of(await collect(model, seeded)) == text_of(await collect(model, seeded))
    other = ask("Tell me a story about a fox.", max_tokens=24, temperature=1.0, seed=8)
    assert text_of(await collect(model, other)) != text_of(await collect(model, seeded))
    short = await collect(model, ask("Count from one to twenty.", max_tokens=5))
    assert short[-1].finish_reason == "length"
    assert short[-1].usage is not None
    assert short[-1].usage.completion_tokens == 5
    stopped = await collect(
        model, ask("Say hello to the caller and ask how you can help.", max_tokens=60, temperature=0.0, stop=("help", "assist"))
    )
    assert "help" not in text_of(stopped)
    assert stopped[-1].finish_reason == "stop"


async def test_a_json_schema_is_kept(machine: Machine) -> None:
    schema = {
        "type": "object",
        "properties": {"intent": {"enum": ["book", "cancel"]}},
        "required": ["intent"],
        "additionalProperties": False,
    }
    request = ChatRequest(
        "m",
        (ChatMessage("user", "I want to book a table."),),
        Sampling(max_tokens=60, temperature=0.0),
        response_format={"type": "json_schema", "json_schema": {"name": "intent", "schema": schema}},
    )
    answer = json.loads(text_of(await collect(model_of(machine), request)))
    assert answer["intent"] in {"book", "cancel"}


async def test_a_conversation_that_is_too_long_is_told_so(machine: Machine) -> None:
    with pytest.raises(ProviderError) as caught:
        await collect(model_of(machine), ask("one two three four " * 2000, max_tokens=5))
    assert caught.value.code == "context_length_exceeded"


async def test_hanging_up_frees_the_place_at_once(machine: Machine) -> None:
    machine.set(parallel=1)
    model = model_of(machine)
    await collect(model, ask("Hi", max_tokens=1))  # loaded
    long = model.stream(ask("Write a very long story about the sea.", max_tokens=1500, temperature=0.8, seed=1))
    for _ in range(3):
        await anext(long)
    await long.aclose()  # type: ignore[attr-defined]  # an async generator
    started = time.monotonic()
    answer = await collect(model, ask("Say yes.", max_tokens=3))
    waited = time.monotonic() - started
    assert answer[-1].usage is not None
    # 1500 tokens would have taken some fifteen seconds or more
    assert waited < 3.0


async def test_a_request_that_waits_for_a_place_can_be_given_up(machine: Machine) -> None:
    machine.set(parallel=1)
    model = model_of(machine)
    await collect(model, ask("Hi", max_tokens=1))
    first = model.stream(ask("Write a very long story about the sea.", max_tokens=1500, temperature=0.8, seed=1))
    await anext(first)
    waiting = asyncio.create_task(collect(model, ask("Say yes.", max_tokens=3)))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    assert (await anext(first)).text  # the other one was not disturbed
    await first.aclose()  # type: ignore[attr-defined]
    await until(lambda: machine.pool.get(DEMO) is not None and machine.pool.get(DEMO).busy == 0)  # type: ignore[union-attr]
    assert (await collect(model, ask("Say yes.", max_tokens=3)))[-1].usage is not None


async def test_two_requests_are_answered_side_by_side(machine: Machine) -> None:
    machine.set(parallel=2)
    model = model_of(machine)
    await collect(model, ask("Hi", max_tokens=1))
    log: list[str] = []

    async def answer(name: str) -> None:
        async for delta in model.stream(ask(f"Write a story about {name}.", max_tokens=60, temperature=0.8, seed=1)):
            if delta.text:
                log.append(name)

    await asyncio.gather(answer("a fox"), answer("a bear"))
    first, last = log.index("a bear"), len(log) - 1 - log[::-1].index("a fox")
    assert first < last  # the second began before the first had ended
    assert machine.pool.get(DEMO).busy == 0  # type: ignore[union-attr]


async def test_a_killed_process_is_noticed_restarted_and_answers_again(machine: Machine) -> None:
    model = model_of(machine)
    stream = model.stream(ask("Write a very long story about the sea.", max_tokens=1500, temperature=0.8, seed=1))
    await anext(stream)
    loaded = machine.pool.get(DEMO)
    assert loaded is not None
    old = pid_of(machine)
    os.kill(old, signal.SIGKILL)
    with pytest.raises(ProviderError):
        async for _ in stream:
            pass
    await until(lambda: loaded.process.state != "ready")
    assert loaded.process.state == "restarting"
    assert loaded.process.failure is not None
    assert loaded.process.failure.code == "model_crashed"
    assert model.info.state == "loading"
    assert "memory" in model.info.reason
    # a request that comes now waits for the restart and is answered
    answer = await collect(model, ask("Say yes.", max_tokens=3))
    assert answer[-1].usage is not None
    assert pid_of(machine) != old
    assert (loaded.process.state, loaded.process.restarts) == ("ready", 1)
    assert model.info.reason == ""


async def test_a_process_that_dies_while_idle_comes_back_by_itself(machine: Machine) -> None:
    await machine.pool.load(machine.library.models[0])
    loaded = machine.pool.get(DEMO)
    assert loaded is not None
    old = pid_of(machine)
    os.kill(old, signal.SIGKILL)
    await until(lambda: loaded.process.state == "ready" and loaded.process.pid not in {None, old})


async def test_an_idle_model_is_unloaded_and_loads_again_when_asked(machine: Machine, owner: object) -> None:
    machine.set(idle_minutes=0.01)
    watch = asyncio.create_task(machine.pool.watch_idle())
    model = model_of(machine)
    await collect(model, ask("Hi", max_tokens=2))
    pid = pid_of(machine)
    await until(lambda: machine.pool.get(DEMO) is None, 5)
    await until(lambda: gone(pid))
    assert model.info.state == "idle"
    assert (await collect(model, ask("Hi", max_tokens=2)))[-1].usage is not None
    watch.cancel()


async def test_a_busy_model_is_neither_idle_nor_unloaded(machine: Machine) -> None:
    machine.set(idle_minutes=0.005)
    watch = asyncio.create_task(machine.pool.watch_idle())
    stream = model_of(machine).stream(ask("Write a very long story about the sea.", max_tokens=1500, temperature=0.8, seed=1))
    await anext(stream)
    await asyncio.sleep(1.0)
    assert (await anext(stream)).text
    with pytest.raises(ModelBusy, match="1 requests"):
        await machine.pool.unload(DEMO)
    await machine.pool.unload(DEMO, force=True)
    with pytest.raises(ProviderError):
        async for _ in stream:
            pass
    watch.cancel()


async def test_a_file_that_the_engine_cannot_load_says_why(machine: Machine) -> None:
    machine.library.own_folder.mkdir(parents=True)
    (machine.library.own_folder / "odd.gguf").write_bytes(tiny_model("Odd"))
    await machine.library.refresh()
    model = model_of(machine, "local/odd")
    with pytest.raises(ModelUnavailable) as caught:
        await collect(model, ask("Hi"))
    assert caught.value.code == "model_broken"
    assert model.info.state == "unavailable"
    assert model.info.reason.startswith("The model cannot be loaded: error loading model hyperparameters")
    assert str(machine.library.own_folder) not in model.info.reason
    # the next request does not try the same again at once
    started = time.monotonic()
    with pytest.raises(ModelUnavailable):
        await collect(model, ask("Hi"))
    assert time.monotonic() - started < 0.1
    # and the good model is not disturbed
    assert (await collect(model_of(machine), ask("Hi", max_tokens=2)))[-1].usage is not None


async def test_a_broken_file_is_refused_without_starting_anything(machine: Machine) -> None:
    machine.library.own_folder.mkdir(parents=True)
    (machine.library.own_folder / "half.gguf").write_bytes(tiny_model("Half")[:-50])
    await machine.library.refresh()
    with pytest.raises(ModelUnavailable, match="incomplete"):
        await collect(model_of(machine, "local/half"), ask("Hi"))
    assert machine.pool.loaded == []


async def test_a_model_that_does_not_fit_is_refused_with_figures(machine: Machine) -> None:
    machine.free = 100 << 20
    with pytest.raises(ModelUnavailable, match=r"needs 0\.\d GB of memory, 0\.1 GB are free") as caught:
        await collect(model_of(machine), ask("Hi"))
    assert caught.value.code == "not_enough_memory"


async def test_the_least_recently_used_model_makes_room(machine: Machine, demo_file: Path) -> None:
    machine.library.own_folder.mkdir(parents=True)
    for name in ("second.gguf", "third.gguf"):
        shutil.copyfile(demo_file, machine.library.own_folder / name)
    await machine.library.refresh()
    first, second, third = (model_of(machine, model_id) for model_id in (DEMO, "local/second", "local/third"))
    await collect(first, ask("Hi", max_tokens=1))
    await collect(second, ask("Hi", max_tokens=1))
    assert {item.model.id for item in machine.pool.loaded} == {DEMO, "local/second"}  # side by side
    await collect(first, ask("Hi", max_tokens=1))
    needed = machine.pool.needed(machine.library.models[0])
    machine.free = (
        needed
        + needed // 2
        + sum(  # room for the third only without one of the two
            max(item.needed - item.process.memory, 0) + psutil.Process(item.process.pid).memory_info().shared
            for item in machine.pool.loaded
        )
        - needed
    )
    await collect(third, ask("Hi", max_tokens=1))
    assert {item.model.id for item in machine.pool.loaded} == {DEMO, "local/third"}


async def test_new_options_are_taken_up_by_an_idle_model(machine: Machine) -> None:
    model = model_of(machine)
    await collect(model, ask("Hi", max_tokens=1))
    assert model.info.context_window == 2048
    machine.set(context_tokens=1024)
    await machine.pool.apply_options()
    assert machine.pool.get(DEMO) is None
    await collect(model, ask("Hi", max_tokens=1))
    loaded = machine.pool.get(DEMO)
    assert loaded is not None
    assert loaded.process.settings.context == 1024


async def test_the_worker_answers_only_who_has_its_key_and_shows_it_nowhere(machine: Machine) -> None:
    await machine.pool.load(machine.library.models[0])
    loaded = machine.pool.get(DEMO)
    assert loaded is not None
    process = psutil.Process(pid_of(machine))
    key = loaded.process.api_key
    assert len(key) >= 32
    assert key not in " ".join(process.cmdline())
    assert all(key not in value for value in process.environ().values())
    assert not any(name.startswith("SECRETARY_") for name in process.environ())
    assert process.environ()["OMP_WAIT_POLICY"] == "PASSIVE"
    assert loaded.process.address.startswith("http://127.0.0.1:")
    async with aiohttp.ClientSession() as session:
        body = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        async with session.post(f"{loaded.process.address}/v1/chat/completions", json=body) as response:
            assert response.status == 401
        async with session.get(f"{loaded.process.address}/slots") as response:
            assert response.status == 401


async def test_bytes_are_relayed_as_they_are(machine: Machine) -> None:
    model = model_of(machine)
    assert isinstance(model, RelayingChatModel)
    body = {"model": model.upstream_model, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "stream": True}
    async with model.relay(json.dumps(body).encode()) as response:
        assert response.status == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        raw = b"".join([chunk async for chunk in response.chunks])
    assert raw.rstrip().endswith(b"data: [DONE]")
    first = json.loads(raw.split(b"\n", 1)[0].removeprefix(b"data: "))
    assert first["model"] == DEMO  # no path of this machine in answers
    async with model.relay(json.dumps({**body, "max_tokens": 1500}).encode()) as response:
        await anext(response.chunks)
    started = time.monotonic()
    await collect(model, ask("Hi", max_tokens=1))
    assert time.monotonic() - started < 3.0


async def test_an_embedding_model_embeds_and_does_not_chat(machine: Machine, demo_file: Path) -> None:
    machine.library.own_folder.mkdir(parents=True)
    with_metadata(demo_file, machine.library.own_folder / "embedder.gguf", llama__pooling_type=1)
    await machine.library.refresh()
    model = model_of(machine, "local/embedder")
    assert isinstance(model, EmbeddingModel)
    result = await model.embed(["A cat sat on the mat.", "A dog lay on the rug.", "Invoice number 17"])
    assert [len(vector) for vector in result.vectors] == [576] * 3

    def near(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True))

    cat, dog, invoice = result.vectors
    assert near(cat, cat) == pytest.approx(1.0, abs=1e-3)
    assert near(cat, dog) > near(cat, invoice)
    assert result.usage.prompt_tokens > 10
    with pytest.raises(InvalidInput, match="cannot hold a conversation"):
        await collect(model, ask("Hi"))
    with pytest.raises(InvalidInput, match="makes no embeddings"):
        await model_of(machine).embed(["x"])
    listed = [info.id for info in LocalModelSource(machine.library, machine.pool).models()]
    assert listed == [DEMO]


async def test_loading_can_be_abandoned_and_stopped(machine: Machine) -> None:
    model = model_of(machine)
    waiting = asyncio.create_task(collect(model, ask("Hi", max_tokens=1)))
    await until(lambda: machine.pool.get(DEMO) is not None and machine.pool.get(DEMO).process.pid is not None)  # type: ignore[union-attr]
    pid = pid_of(machine)
    await machine.pool.unload(DEMO, force=True)
    with pytest.raises(ModelUnavailable):
        await waiting
    await until(lambda: gone(pid))
    assert (await collect(model, ask("Hi", max_tokens=1)))[-1].usage is not None


def test_the_worker_dies_with_its_parent(demo_file: Path, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        f"""
import asyncio, pathlib, sys
from ai_secretary_llm_local.engine import EngineSettings
from ai_secretary_llm_local.process import EngineProcess

async def main():
    settings = EngineSettings({str(demo_file)!r}, "m", "", 512, 1, 1)
    engine = EngineProcess(settings, title="M", spawn=lambda coroutine, name: asyncio.get_running_loop().create_task(coroutine))
    await engine.ensure_ready()
    print(engine.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""
    )
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 5
    while not gone(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert gone(child)
