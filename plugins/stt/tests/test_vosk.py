"""Vosk with the one real model that packages offer (Korean): streaming, partials, life cycle."""

from __future__ import annotations

import asyncio
import os
import signal
import time

import pytest

from ai_secretary.errors import InvalidInput, SecretaryError
from ai_secretary.speech import Audio, AudioChunk, RecognitionOptions, RecognitionStream, Transcript

from .conftest import Running, at, silence

pytestmark = pytest.mark.models
MODEL = "vosk/small-ko"


def frames(audio: Audio, milliseconds: int = 20) -> list[AudioChunk]:
    size = audio.sample_rate * milliseconds // 1000 * 2
    return [AudioChunk(audio.pcm[start : start + size], audio.sample_rate) for start in range(0, len(audio.pcm), size)]


async def gather(stream: RecognitionStream) -> list[Transcript]:
    return [result async for result in stream.results()]


@pytest.mark.parametrize("rate", [16_000, 8_000])
async def test_partials_come_while_somebody_speaks(stt: Running, korean_speech: Audio, rate: int, stalls: list[float]) -> None:
    recognizer = stt.recognizer(MODEL)
    await stt.models.load(MODEL)
    assert recognizer.info.streaming
    stream = recognizer.open_stream(RecognitionOptions(word_timestamps=True))
    reader = asyncio.create_task(gather(stream))
    feeding = 0.0
    for chunk in frames(at(korean_speech, rate)):
        before = time.perf_counter()
        await stream.feed(chunk)
        feeding += time.perf_counter() - before
        await asyncio.sleep(0.005)
    last_sample = time.perf_counter()
    final = await stream.finish()
    print(f"{rate} Hz: final text {1000 * (time.perf_counter() - last_sample):.0f} ms after the last sample: {final.text}")
    results = await reader
    partials, finals = [r for r in results if not r.final], [r for r in results if r.final]
    assert len(partials) >= 3
    assert final.text
    assert final.final
    assert " ".join(result.text for result in finals) == final.text
    assert final.language == "ko"
    assert [word.text for word in final.words] == final.text.split()
    assert all(0 <= word.start < word.end <= final.duration + 0.5 for word in final.words)
    assert feeding < korean_speech.duration / 10  # feeding never waits for the engine
    assert max(stalls, default=0) < 50


async def test_a_whole_recording_reads_the_same_at_both_rates(stt: Running, korean_speech: Audio) -> None:
    recognizer = stt.recognizer(MODEL)
    first = await recognizer.transcribe(at(korean_speech, 16_000), RecognitionOptions(word_timestamps=True))
    assert first.text
    assert first.segments
    assert abs(first.duration - korean_speech.duration) < 0.05
    assert (await recognizer.transcribe(silence(2), RecognitionOptions())).text == ""
    assert (await recognizer.transcribe(Audio(b"", 8_000), RecognitionOptions())).text == ""


async def test_two_people_at_once_are_kept_apart(stt: Running, korean_speech: Audio) -> None:
    recognizer = stt.recognizer(MODEL)
    speaking, silent = recognizer.open_stream(RecognitionOptions()), recognizer.open_stream(RecognitionOptions())
    for chunk in frames(at(korean_speech, 16_000), 100):
        await speaking.feed(chunk)
        await silent.feed(AudioChunk(bytes(len(chunk.pcm)), chunk.sample_rate))
    spoken, nothing = await asyncio.gather(speaking.finish(), silent.finish())
    assert spoken.text
    assert nothing.text == ""


async def test_a_stream_without_sound_ends_empty(stt: Running) -> None:
    stream = stt.recognizer(MODEL).open_stream(RecognitionOptions())
    assert (await stream.finish()).text == ""
    assert await gather(stream) == []


async def test_closing_is_immediate_safe_twice_and_leaves_nothing_behind(stt: Running, korean_speech: Audio) -> None:
    recognizer = stt.recognizer(MODEL)
    await stt.models.load(MODEL)
    stream = recognizer.open_stream(RecognitionOptions())
    reader = asyncio.create_task(gather(stream))
    for chunk in frames(at(korean_speech, 16_000)):
        await stream.feed(chunk)
    await asyncio.sleep(0.2)
    before = time.perf_counter()
    await stream.close()
    await stream.close()
    assert time.perf_counter() - before < 1
    await asyncio.wait_for(reader, 5)
    with pytest.raises(InvalidInput):
        await stream.feed(AudioChunk(b"\0\0", 16_000))
    worker = stt.models.engines.worker(stt.models.library.find(MODEL))  # type: ignore[arg-type]
    for _ in range(100):
        if await worker.call("open_streams") == 0 and len(stt.context.tasks) == 0:
            break
        await asyncio.sleep(0.05)
    assert await worker.call("open_streams") == 0
    assert len(stt.context.tasks) == 0


async def test_a_killed_worker_ends_the_stream_with_an_error_and_a_new_one_works(stt: Running, korean_speech: Audio) -> None:
    recognizer = stt.recognizer(MODEL)
    await stt.models.load(MODEL)
    worker = stt.models.engines.worker(stt.models.library.find(MODEL))  # type: ignore[arg-type]
    stream = recognizer.open_stream(RecognitionOptions())
    reader = asyncio.create_task(gather(stream))
    pieces = frames(at(korean_speech, 16_000), 100)
    for chunk in pieces[:10]:
        await stream.feed(chunk)
    await asyncio.sleep(0.1)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)

    async def go_on() -> None:
        for chunk in pieces[10:]:
            await stream.feed(chunk)
            await asyncio.sleep(0.02)
        await stream.finish()

    with pytest.raises(SecretaryError) as caught:
        await go_on()
    assert caught.value.code in {"worker_crashed", "stt_stream_lost"}
    with pytest.raises(SecretaryError):
        await reader
    again = recognizer.open_stream(RecognitionOptions())
    for chunk in pieces:
        await again.feed(chunk)
    assert (await again.finish()).text


async def test_wrong_language_and_changing_rate_are_refused(stt: Running) -> None:
    recognizer = stt.recognizer(MODEL)
    with pytest.raises(InvalidInput) as caught:
        recognizer.open_stream(RecognitionOptions(language="ru"))
    assert caught.value.code == "language_not_supported"
    stream = recognizer.open_stream(RecognitionOptions(language="ko"))
    await stream.feed(AudioChunk(bytes(640), 16_000))
    with pytest.raises(InvalidInput):
        await stream.feed(AudioChunk(bytes(320), 8_000))
    await stream.close()
