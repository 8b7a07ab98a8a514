"""Tokens per second through the plugin, compared with the bare engine in a process of its own: prints ratios.

Rounds of both are interleaved, so that other work on the machine hits both alike.
Run: `python plugins/llm_local/bench/tokens.py`
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ai_secretary.llm import ChatMessage, ChatRequest, Sampling
from ai_secretary.plugins import TaskOwner
from ai_secretary_llm_local.embedded import find_embedded
from ai_secretary_llm_local.library import ModelLibrary
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.pool import ModelPool
from ai_secretary_llm_local.source import LocalChatModel

PROMPT = "Write a long story about a lighthouse keeper and the sea."

BARE = """
import json, sys, time
import xllamacpp
path, threads = sys.argv[1], int(sys.argv[2])
params = xllamacpp.CommonParams()
params.model.path = path
params.n_ctx, params.n_parallel, params.verbosity = 4096, 1, 0
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
server = xllamacpp.Server(params)
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    order = json.loads(line)
    times = []
    def told(chunk):
        chunks = chunk if isinstance(chunk, list) else [chunk]
        for one in chunks:
            delta = (json.loads(one) if isinstance(one, str) else one).get("choices") or []
            if delta and (delta[0].get("delta") or {}).get("content"):
                times.append(time.perf_counter())
    started = time.perf_counter()
    server.handle_chat_completions(order, told)
    print(json.dumps({"first": times[0] - started, "rate": (len(times) - 1) / (times[-1] - times[0])}), flush=True)
"""


class Bare:
    """xllamacpp alone in a process, asked in its own way."""

    def __init__(self, path: Path, threads: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BARE, str(path), str(threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
        )  # fmt: skip
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def ask(self, tokens: int, seed: int) -> tuple[float, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "messages": [{"role": "user", "content": f"{seed}. {PROMPT}"}],
            "max_tokens": tokens,
            "temperature": 0.8,
            "seed": seed,
            "stream": True,
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["first"], answer["rate"]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


async def through_plugin(model: LocalChatModel, tokens: int, seed: int) -> tuple[float, float]:
    times: list[float] = []
    request = ChatRequest(
        "m", (ChatMessage("user", f"{seed}. {PROMPT}"),), Sampling(max_tokens=tokens, temperature=0.8, seed=seed)
    )
    started = time.perf_counter()
    async for delta in model.stream(request):
        if delta.text:
            times.append(time.perf_counter())
    return times[0] - started, (len(times) - 1) / (times[-1] - times[0])


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def _row(figures: tuple[float, float]) -> str:
    first, rate = figures
    return f"{rate:6.1f} tok/s, first {first * 1000:5.0f} ms"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=120)
    parser.add_argument("--model", type=Path, default=find_embedded())
    arguments = parser.parse_args()
    options = LocalModelOptions(parallel=1, prompt_cache_mb=0, idle_minutes=0)
    folder = Path(tempfile.mkdtemp(prefix="bench-llm-local-"))
    library = ModelLibrary(folder, state_folder=folder, further=[str(arguments.model.parent)])
    await library.refresh()
    found = next(item for item in library.models if item.path.samefile(arguments.model))
    owner = TaskOwner("bench")
    pool = ModelPool(lambda: options, spawn=lambda coroutine, name: owner.spawn(coroutine, name=name))
    model = LocalChatModel(found, pool)
    bare = await asyncio.to_thread(Bare, arguments.model, options.used_threads)
    try:
        await through_plugin(model, 8, 0)
        await asyncio.to_thread(bare.ask, 8, 0)
        rows = []
        for round_number in range(1, arguments.rounds + 1):
            ours = await through_plugin(model, arguments.tokens, round_number)
            alone = await asyncio.to_thread(bare.ask, arguments.tokens, round_number)
            rows.append((ours, alone))
            say(f"round {round_number}: plugin {_row(ours)} · bare {_row(alone)}")
        rates = [ours[1] / alone[1] for ours, alone in rows]
        firsts = [ours[0] / alone[0] for ours, alone in rows]
        say(f"tokens per second, plugin / bare engine: {statistics.median(rates):.2f} [{min(rates):.2f}..{max(rates):.2f}]")
        say(f"time to first token, plugin / bare engine: {statistics.median(firsts):.2f} [{min(firsts):.2f}..{max(firsts):.2f}]")
    finally:
        bare.close()
        await pool.close()
        await owner.cancel_all()


if __name__ == "__main__":
    asyncio.run(main())
