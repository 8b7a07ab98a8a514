"""Real-time factor and time to first audio of Piper in its worker: `python bench/speech.py [voice file.onnx]`.

"direct" is the same voice in this process, without the worker: the difference is what the process boundary costs.
"""

# ruff: noqa: T201 - it prints its results

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ai_secretary.workers import Worker
from ai_secretary_tts_piper.files import packaged, read_voice

TEXTS = {
    "a word": "Hello.",
    "one sentence": "Your appointment is tomorrow morning at ten o'clock.",
    "three sentences": "The office is open from nine to six. You may come without an appointment. How can I help you today?",
}
MANNER = {"speaker": None, "length_scale": 1.0, "noise_scale": 0.667, "noise_w": 0.8, "volume": 1.0, "silence_s": 0.0}
ROUNDS = 7


def report(name: str, firsts: list[float], totals: list[float], spoken: float) -> None:
    first, total = statistics.median(firsts), statistics.median(totals)
    print(
        f"{name:28} audio {spoken:5.2f} s   first sound {first * 1000:6.0f} ms   "
        f"whole {total * 1000:6.0f} ms   RTF {total / spoken:.3f}"
    )


async def through_worker(worker: Worker, model: Path, rate: int, threads: int, text: str) -> tuple[float, float, float]:
    started, first, size = time.perf_counter(), 0.0, 0
    stream = worker.stream("synthesize", model=str(model), threads=threads, keep=3, text=text, **MANNER)
    async for item in stream:
        if isinstance(item, bytes):
            first = first or time.perf_counter() - started
            size += len(item)
    return first, time.perf_counter() - started, size / 2 / rate


def direct(pieces: Iterator[object], rate: int) -> tuple[float, float, float]:
    started, first, size = time.perf_counter(), 0.0, 0
    for item in pieces:
        if isinstance(item, bytes):
            first = first or time.perf_counter() - started
            size += len(item)
    return first, time.perf_counter() - started, size / 2 / rate


async def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else packaged()[0][1]
    voice, threads = read_voice(model), min(2, os.cpu_count() or 1)
    print(f"{voice.title}, {threads} threads, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    worker = Worker("ai_secretary_tts_piper.engine:PiperEngine", name="piper", init={"parallel": 1})
    started = time.perf_counter()
    await worker.start()
    process = time.perf_counter() - started
    await worker.call("load", model=str(model), threads=threads, keep=3)
    print(f"process ready after {process:.2f} s, voice loaded after {time.perf_counter() - started - process:.2f} s more")

    import threading

    from ai_secretary_tts_piper.engine import PiperEngine

    engine = PiperEngine(parallel=1)
    engine.load(str(model), threads, 3)
    for name, text in TEXTS.items():
        ours, theirs = [], []
        for _ in range(ROUNDS):  # in turns, so that both meet the same machine
            ours.append(await through_worker(worker, model, voice.sample_rate, threads, text))
            pieces = engine.synthesize(str(model), threads, 3, text, **MANNER, cancelled=threading.Event())  # type: ignore[arg-type]
            theirs.append(direct(pieces, voice.sample_rate))
        for label, runs in ((name, ours), (f"  direct, {name}", theirs)):
            report(label, [run[0] for run in runs], [run[1] for run in runs], statistics.mean(run[2] for run in runs))
    text = TEXTS["one sentence"]
    started = time.perf_counter()
    runs = await asyncio.gather(*(through_worker(worker, model, voice.sample_rate, threads, text) for _ in range(20)))
    firsts = sorted(run[0] for run in runs)
    wall, spoken = time.perf_counter() - started, sum(run[2] for run in runs)
    print(
        f"20 at once: first sound {firsts[0] * 1000:.0f} to {firsts[-1] * 1000:.0f} ms, "
        f"{spoken / wall:.1f} s of speech per second"
    )
    await worker.stop()


if __name__ == "__main__":
    asyncio.run(main())
