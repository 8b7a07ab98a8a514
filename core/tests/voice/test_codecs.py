"""Every format is decoded back by libraries that others use, and compared with what went in."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
import soundfile

from ai_secretary.errors import InvalidInput, TooLarge
from ai_secretary.speech import Audio, AudioChunk
from ai_secretary.voice.codecs import FORMATS, decode, decode_in_thread, encode_stream, sniff, wav_file, wav_header
from ai_secretary.voice.resampling import Resampler

RATE = 22_050
SECONDS = 2.0


def tone(seconds: float = SECONDS, rate: int = RATE, hertz: float = 440.0) -> bytes:
    times = np.arange(int(seconds * rate)) / rate
    return bytes((np.sin(2 * np.pi * hertz * times) * 12_000).astype("<i2").tobytes())


async def chunks(pcm: bytes, size: int = 8820, rate: int = RATE) -> AsyncIterator[AudioChunk]:
    for start in range(0, len(pcm), size):
        yield AudioChunk(pcm[start : start + size], rate)


async def encoded(audio_format: str, rate: int | None = None) -> bytes:
    return b"".join([data async for data in encode_stream(chunks(tone()), audio_format, rate)])


def pitch(audio: Audio) -> float:
    samples = np.frombuffer(audio.pcm, dtype="<i2").astype(float)
    middle = samples[len(samples) // 4 : len(samples) // 2]
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return float(np.argmax(spectrum) * audio.sample_rate / len(middle))


@pytest.mark.parametrize("audio_format", [item for item in FORMATS if item != "pcm"])
@pytest.mark.parametrize("rate", [None, 8000])
async def test_a_format_comes_back_with_its_length_and_pitch(audio_format: str, rate: int | None) -> None:
    data = await encoded(audio_format, rate)
    audio = await decode_in_thread(data)
    assert audio.duration == pytest.approx(SECONDS, abs=0.25)  # lossy encoders add up to two frames of silence
    assert pitch(audio) == pytest.approx(440, abs=5)
    if audio_format in ("wav", "mp3", "opus"):
        samples, sample_rate = soundfile.read(io.BytesIO(data))
        assert len(samples) / sample_rate == pytest.approx(SECONDS, abs=0.25)


async def test_pcm_is_24_khz_without_a_header() -> None:
    data = await encoded("pcm", 8000)
    assert len(data) / 2 / 24_000 == pytest.approx(SECONDS, abs=0.01)


@pytest.mark.parametrize("audio_format", FORMATS)
async def test_sound_leaves_before_the_speech_is_finished(audio_format: str) -> None:
    gate = asyncio.Event()

    async def slow() -> AsyncIterator[AudioChunk]:
        for _ in range(5):
            yield AudioChunk(tone(0.4), RATE)
        await gate.wait()
        yield AudioChunk(tone(0.4), RATE)

    stream = encode_stream(slow(), audio_format)
    early = b""
    while len(early) < 1500:
        early += await asyncio.wait_for(anext(stream), 5)
    assert not gate.is_set()
    gate.set()
    rest = b"".join([data async for data in stream])
    assert rest


async def test_closing_stops_the_source() -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[AudioChunk]:
        try:
            while True:
                yield AudioChunk(tone(0.2), RATE)
        finally:
            closed.set()

    for audio_format in FORMATS:
        closed.clear()
        stream = encode_stream(endless(), audio_format)
        await anext(stream)
        await stream.aclose()
        assert closed.is_set()


async def test_an_empty_speech_is_a_valid_file() -> None:
    async def nothing() -> AsyncIterator[AudioChunk]:
        return
        yield

    data = b"".join([part async for part in encode_stream(nothing(), "wav", 8000)])
    assert data == wav_header(8000)


def test_streamed_wav_says_that_its_length_is_unknown() -> None:
    assert wav_header(8000)[4:8] == wav_header(8000)[40:44] == b"\xff\xff\xff\xff"
    samples, rate = soundfile.read(io.BytesIO(wav_file(Audio(tone(), RATE))))
    assert rate == RATE
    assert len(samples) == int(SECONDS * RATE)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "audio_empty"),
        (b"hello, this is not audio at all" * 10, "invalid_audio"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "invalid_audio"),
        (b"OggS" + b"\x00" * 100, "invalid_audio"),
        (b"ID3" + b"\x00" * 50, "invalid_audio"),
        (b"\x1aE\xdf\xa3" + b"\x01" * 200, "invalid_audio"),
        (b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 100, "invalid_audio"),
        (b"#EXTM3U\n#EXT-X-TARGETDURATION:10\nfile:///etc/passwd\n", "invalid_audio"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "invalid_audio"),
        (wav_header(8000, 0), "audio_empty"),
    ],
)
def test_what_is_not_audio_gets_a_clear_error(data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(data)
    assert caught.value.code == code
    assert caught.value.hint


def test_bounds() -> None:
    file = wav_file(Audio(tone(), RATE))
    with pytest.raises(TooLarge):
        decode(file, max_bytes=1000)
    with pytest.raises(InvalidInput) as caught:
        decode(file, max_seconds=1.0)
    assert caught.value.code == "audio_too_long"


def test_a_truncated_recording_is_heard_up_to_there() -> None:
    file = wav_file(Audio(tone(), RATE))
    assert decode(file[: len(file) // 2]).duration == pytest.approx(SECONDS / 2, abs=0.05)


async def test_stereo_at_another_rate_becomes_mono() -> None:
    buffer = io.BytesIO()
    left = np.sin(2 * np.pi * 300 * np.arange(48_000) / 48_000) * 0.4
    soundfile.write(buffer, np.stack([left, left], axis=1), 48_000, format="FLAC")
    audio = decode(buffer.getvalue(), max_rate=16_000)
    assert audio.sample_rate == 16_000
    assert audio.duration == pytest.approx(1.0, abs=0.01)
    assert pitch(audio) == pytest.approx(300, abs=5)


def test_sniffing_is_by_content() -> None:
    assert sniff(b"\xff\xfb\x90\x00" + b"\x00" * 12) == "mp3"
    assert sniff(b"\xff\xf1\x50\x80" + b"\x00" * 12) == "aac"
    assert sniff(b"<html>") is None


@pytest.mark.parametrize(("source", "target"), [(22_050, 8000), (16_000, 48_000), (24_000, 24_000)])
def test_resampling_piece_by_piece_keeps_length_and_pitch(source: int, target: int) -> None:
    pcm = tone(1.0, source)
    resampler = Resampler(target)
    out = b"".join(resampler.process(AudioChunk(pcm[start : start + 1001], source)) for start in range(0, len(pcm), 1001))
    out += resampler.flush()
    audio = Audio(out, target)
    assert audio.duration == pytest.approx(1.0, abs=0.002)
    assert pitch(audio) == pytest.approx(440, abs=5)
