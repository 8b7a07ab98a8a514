"""Real-time factor and time to first audio of Festival in its worker: `python bench/speech.py`."""

# ruff: noqa: T201 - it prints its results

from __future__ import annotations

import asyncio
import os
import statistics
import time

from ai_secretary.speech import VoiceOptions
from ai_secretary_tts_festival.options import FestivalOptions
from ai_secretary_tts_festival.voice import FestivalVoice

TEXTS = {
    "слово": "Здравствуйте.",
    "предложение": "Мы записали вас на завтра в десять часов утра.",
    "три предложения": "Мы работаем с девяти до шести. Прийти можно без записи. Чем я могу вам помочь?",
}
ROUNDS = 7


async def say(voice: FestivalVoice, text: str, speed: float) -> tuple[float, float, float]:
    started, first, spoken = time.perf_counter(), 0.0, 0.0
    async for chunk in voice.synthesize(text, VoiceOptions(speed=speed)):
        first = first or time.perf_counter() - started
        spoken += chunk.duration
    return first, time.perf_counter() - started, spoken


async def main() -> None:
    voice = FestivalVoice(FestivalOptions)
    voice.look()
    if voice.missing:
        print(voice.missing)
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    started = time.perf_counter()
    await voice.worker.start()
    print(f"ready after {time.perf_counter() - started:.2f} s")
    for speed in (1.0, 1.3):
        for name, text in TEXTS.items():
            runs = [await say(voice, text, speed) for _ in range(ROUNDS)]
            first, total = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            spoken = runs[0][2]
            print(
                f"speed {speed}  {name:16} audio {spoken:5.2f} s   first sound {first * 1000:5.0f} ms   "
                f"whole {total * 1000:5.0f} ms   RTF {total / spoken:.3f}"
            )
    started = time.perf_counter()
    runs = await asyncio.gather(*(say(voice, TEXTS["предложение"], 1.0) for _ in range(20)))
    wall = time.perf_counter() - started
    print(f"20 at once: the last begins after {max(run[0] for run in runs) * 1000:.0f} ms, all done after {wall * 1000:.0f} ms")
    await voice.worker.stop()


if __name__ == "__main__":
    asyncio.run(main())
