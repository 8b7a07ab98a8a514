"""The real embedded model on real speech."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time

import pytest

from ai_secretary.errors import InvalidInput
from ai_secretary.speech import Audio, RecognitionOptions
from ai_secretary.workers import WorkerError
from ai_secretary_stt.options import SttOptions

from .conftest import ENGLISH, RUSSIAN, Running, Start, at, noise, silence, until

pytestmark = pytest.mark.models


def words(text: str) -> list[str]:
    """What was said, without case, marks, "ё" and the two spellings of a number."""
    return re.findall(r"\w+", text.lower().replace("ё", "е").replace("10", "ten"))


@pytest.mark.parametrize("rate", [16_000, 8_000])
async def test_english_is_understood_word_for_word(stt: Running, english: Audio, rate: int, stalls: list[float]) -> None:
    recognizer = stt.recognizer("whisper/base")
    await stt.models.load("whisper/base")
    started = time.perf_counter()
    transcript = await recognizer.transcribe(at(english, rate), RecognitionOptions(language="en"))
    seconds = time.perf_counter() - started
    print(f"{transcript.duration:.1f} s of English at {rate} Hz in {seconds:.2f} s (RTF {seconds / transcript.duration:.2f})")
    assert words(transcript.text) == words(ENGLISH)
    assert transcript.language == "en"
    assert abs(transcript.duration - english.duration) < 0.1
    assert max(stalls, default=0) < 50


@pytest.mark.parametrize("rate", [16_000, 8_000])
async def test_russian_is_understood_word_for_word(stt: Running, russian_speech: Audio, rate: int) -> None:
    recognizer = stt.recognizer("whisper/base")
    await stt.models.load("whisper/base")
    started = time.perf_counter()
    transcript = await recognizer.transcribe(at(russian_speech, rate), RecognitionOptions(language="ru"))
    seconds = time.perf_counter() - started
    print(f"{transcript.duration:.1f} s of Russian at {rate} Hz in {seconds:.2f} s (RTF {seconds / transcript.duration:.2f})")
    assert words(transcript.text) == words(RUSSIAN)


async def test_the_language_is_found_and_only_among_the_likely_ones(
    start_plugin: Start, english: Audio, russian_speech: Audio
) -> None:
    stt = await start_plugin()
    await until(lambda: stt.models.library.find("whisper/base"))
    recognizer = stt.recognizer("whisper/base")
    assert (await recognizer.transcribe(russian_speech, RecognitionOptions())).language == "ru"
    heard = await recognizer.transcribe(english, RecognitionOptions())
    assert heard.language == "en"
    assert words(heard.text) == words(ENGLISH)
    # An installation that expects only Russian never answers in another language, whatever is spoken.
    await stt.context.save_options(SttOptions(warm_up=False, languages=("ru",)))
    assert (await recognizer.transcribe(english, RecognitionOptions())).language == "ru"


async def test_silence_and_noise_give_no_words(stt: Running) -> None:
    recognizer = stt.recognizer("whisper/base")
    quiet = [
        silence(3),
        silence(0.01),
        silence(8, 8_000),
        noise(4),
        noise(4, 8_000, 0.3),
        Audio(b"", 16_000),
        Audio(b"\1", 8_000),
    ]
    for audio in quiet:
        for language in ("ru", None):
            transcript = await recognizer.transcribe(audio, RecognitionOptions(language=language))
            assert transcript.text == ""
            assert transcript.segments == ()


async def test_silence_around_speech_changes_neither_the_words_nor_their_times(stt: Running, english: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    padded = Audio(silence(3, english.sample_rate).pcm + english.pcm + silence(4, english.sample_rate).pcm, english.sample_rate)
    transcript = await recognizer.transcribe(padded, RecognitionOptions(language="en", word_timestamps=True))
    assert words(transcript.text) == words(ENGLISH)
    assert [word for heard in transcript.words for word in words(heard.text)] == words(ENGLISH)
    assert 2.6 < transcript.words[0].start < 3.6
    assert 3 + english.duration - 1 < transcript.words[-1].end < 3 + english.duration + 0.5
    assert all(first.end <= second.start + 0.5 for first, second in zip(transcript.words, transcript.words[1:], strict=False))
    assert all(word.probability is not None and 0 < word.probability <= 1 for word in transcript.words)
    assert transcript.segments[0].average_logprob is not None


async def test_eight_seconds_are_timed(stt: Running, english: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    await stt.models.load("whisper/base")
    clip = Audio((english.pcm * 2)[: 8 * english.sample_rate * 2], english.sample_rate)
    for beam in (1, 5):
        await stt.context.save_options(SttOptions(warm_up=False, beam_size=beam))
        times = []
        for _ in range(3):
            started = time.perf_counter()
            await recognizer.transcribe(clip, RecognitionOptions(language="en"))
            times.append(time.perf_counter() - started)
        print(f"8 s clip, beam {beam}: {', '.join(f'{seconds:.2f}' for seconds in times)} s")
        assert min(times) < 30


async def test_several_at_once_all_get_their_own_text(stt: Running, english: Audio, russian_speech: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    results = await asyncio.gather(
        recognizer.transcribe(english, RecognitionOptions(language="en")),
        recognizer.transcribe(russian_speech, RecognitionOptions(language="ru")),
        recognizer.transcribe(silence(1), RecognitionOptions()),
    )
    assert [words(result.text) for result in results] == [words(ENGLISH), words(RUSSIAN), []]


async def test_a_cancelled_request_frees_the_engine_for_the_next(stt: Running, english: Audio, russian_speech: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    await stt.models.load("whisper/base")
    long = Audio(english.pcm * 60, english.sample_rate)
    request = asyncio.create_task(recognizer.transcribe(long, RecognitionOptions(language="en")))
    await asyncio.sleep(0.7)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    started = time.perf_counter()
    transcript = await recognizer.transcribe(russian_speech, RecognitionOptions(language="ru"))
    waited = time.perf_counter() - started
    print(f"after cancelling {long.duration:.0f} s of audio the next request took {waited:.1f} s")
    assert words(transcript.text) == words(RUSSIAN)
    assert waited < 60


async def test_a_killed_worker_is_a_clear_error_and_the_next_request_works(stt: Running, english: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    await stt.models.load("whisper/base")
    worker = stt.models.engines.worker(stt.models.library.find("whisper/base"))  # type: ignore[arg-type]
    request = asyncio.create_task(recognizer.transcribe(Audio(english.pcm * 6, english.sample_rate), RecognitionOptions()))
    await asyncio.sleep(0.5)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(WorkerError) as caught:
        await request
    assert caught.value.code == "worker_crashed"
    transcript = await recognizer.transcribe(english, RecognitionOptions(language="en"))
    assert words(transcript.text) == words(ENGLISH)


async def test_the_state_is_what_it_is(start_plugin: Start, english: Audio) -> None:
    stt = await start_plugin(warm_up=True)
    await until(lambda: stt.models.library.find("whisper/base"))
    recognizer = stt.recognizer("whisper/base")
    assert recognizer.info.state in {"idle", "loading"}
    await until(lambda: recognizer.info.state == "ready")  # nobody asked: it warmed up by itself
    assert (recognizer.info.streaming, recognizer.info.languages) == (False, None)
    assert stt.plugin.health().state == "ok"
    await stt.models.unload("whisper/base")
    assert recognizer.info.state == "idle"
    pid_options = SttOptions(warm_up=False, threads=1)
    await recognizer.transcribe(silence(1), RecognitionOptions())
    await recognizer.transcribe(english, RecognitionOptions(language="en"))
    assert recognizer.info.state == "ready"
    await stt.context.save_options(pid_options)
    await stt.context.bus.drain()
    assert recognizer.info.state == "idle"  # the next request starts it with one thread


async def test_a_broken_model_says_so_and_hurts_nobody_else(stt: Running, english: Audio) -> None:
    broken = stt.models.folder / "whisper-broken"
    broken.mkdir()
    for name in ("model.bin", "config.json", "vocabulary.txt"):
        (broken / name).write_bytes(b"{}")
    await stt.models.refresh()
    recognizer = stt.recognizer("whisper/broken")
    with pytest.raises(WorkerError) as caught:
        await recognizer.transcribe(english, RecognitionOptions())
    assert caught.value.code == "worker_start_failed"
    assert recognizer.info.state == "unavailable"
    assert recognizer.info.reason
    assert (await stt.recognizer("whisper/base").transcribe(silence(1), RecognitionOptions())).text == ""


async def test_bad_requests_are_refused_with_a_reason(stt: Running, english: Audio) -> None:
    recognizer = stt.recognizer("whisper/base")
    with pytest.raises(InvalidInput) as caught:
        await recognizer.transcribe(english, RecognitionOptions(language="klingon"))
    assert caught.value.code == "language_not_supported"
    with pytest.raises(InvalidInput):
        await recognizer.transcribe(Audio(b"\0\0", 100), RecognitionOptions())
    with pytest.raises(InvalidInput):
        await recognizer.transcribe(english, RecognitionOptions(temperature=3))
    with pytest.raises(InvalidInput) as caught:
        recognizer.open_stream(RecognitionOptions())
    assert caught.value.code == "not_streaming"
    with pytest.raises(InvalidInput) as caught:
        await stt.recognizer("whisper/tiny.en").transcribe(english, RecognitionOptions(language="ru"))
    assert caught.value.code == "language_not_supported"


async def test_the_small_english_model_of_a_package_works_beside_it(stt: Running, english: Audio) -> None:
    transcript = await stt.recognizer("whisper/tiny.en").transcribe(at(english, 8_000), RecognitionOptions())
    assert words(transcript.text) == words(ENGLISH)
    assert transcript.language == "en"
