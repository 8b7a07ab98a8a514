"""Audio files in and out, by PyAV: any upload to PCM, PCM to any answer, the latter while the speech is still being made."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, Protocol, cast, get_args

import numpy as np

from ai_secretary.errors import InvalidInput, TooLarge
from ai_secretary.i18n import N_
from ai_secretary.speech import Audio, AudioChunk
from ai_secretary.voice.resampling import Resampler

Format = Literal["wav", "mp3", "opus", "flac", "aac", "pcm"]

FORMATS: tuple[Format, ...] = get_args(Format)
MEDIA_TYPES: dict[Format, str] = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "pcm": "audio/pcm",
}
PCM_RATE = 24_000
"""Hz of the headerless `pcm` format: clients of the OpenAI API assume it."""
MAX_UPLOAD_BYTES = 25 * 1024 * 1024
MAX_SECONDS = 2 * 3600.0

_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_AAC_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)

threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="voice-codec")
"""Encoders and decoders work here and never on the event loop; a pool of their own, so that disk work cannot starve speech."""


# ---- decoding ----

_HINT = N_("Send a wav, mp3, ogg, opus, flac, m4a, mp4, webm, aac, aiff or amr file with sound in it.")


def sniff(data: bytes) -> str | None:
    """The demuxer for `data` by its first bytes, None for anything that is not an audio container.

    The demuxer is named and never guessed by libav: its playlist formats would open other files and addresses.
    """
    head = data[:16]
    for magic, demuxer in (
        (b"OggS", "ogg"), (b"fLaC", "flac"), (b"ID3", "mp3"), (b"\x1aE\xdf\xa3", "matroska"), (b"#!AMR", "amr"), (b"caff", "caf"),
    ):  # fmt: skip
        if head.startswith(magic):
            return demuxer
    if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide"):
        return "mov"
    if len(head) > 2 and head[0] == 0xFF:
        if head[1] & 0xF6 == 0xF0:
            return "aac"
        if head[1] & 0xE0 == 0xE0:
            return "mp3"
    return None


def _bad_audio(reason: str) -> InvalidInput:
    return InvalidInput(
        "The file is not readable as audio: {reason}", reason=reason, code="invalid_audio", field="file", hint=_HINT
    )


def decode(
    data: bytes,
    *,
    max_rate: int | None = None,
    max_bytes: int = MAX_UPLOAD_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> Audio:
    """A whole file as int16 mono at its own sample rate, or at `max_rate` where that is lower. Blocks: see `decode_in_thread`.

    Raises `InvalidInput` (`audio_empty`, `invalid_audio`, `audio_too_long`) or `TooLarge` (`audio_too_large`).
    """
    import av
    from av.error import FFmpegError

    if not data:
        raise InvalidInput("The audio file is empty", code="audio_empty", field="file", hint=_HINT)
    if len(data) > max_bytes:
        raise TooLarge(
            "The audio file is larger than {limit} MB",
            limit=max_bytes // (1024 * 1024), code="audio_too_large", field="file",
            hint="Send a compressed format (mp3, opus), or cut the recording into parts.",
        )  # fmt: skip
    demuxer = sniff(data)
    if demuxer is None:
        raise _bad_audio("unknown format")
    pieces: list[bytes] = []
    rate = 0
    samples = 0
    try:
        with av.open(io.BytesIO(data), "r", format=demuxer) as container:
            if not container.streams.audio:
                raise _bad_audio("no sound track")
            stream = container.streams.audio[0]
            resampler: av.AudioResampler | None = None
            broken: FFmpegError | None = None
            try:
                for frame in container.decode(stream):
                    if resampler is None:
                        rate = min(frame.sample_rate, max_rate or frame.sample_rate)
                        resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
                    for piece in resampler.resample(frame):
                        samples += piece.samples
                        pieces.append(_plane(piece.to_ndarray()))
                    if samples > max_seconds * rate:
                        raise InvalidInput(
                            "The recording is longer than {minutes} minutes",
                            minutes=round(max_seconds / 60), code="audio_too_long", field="file",
                            hint="Cut the recording into parts.",
                        )  # fmt: skip
            except FFmpegError as error:
                # A recording that was cut off in the middle is still worth hearing up to there.
                broken = error
            if resampler is not None:
                pieces.extend(_plane(piece.to_ndarray()) for piece in resampler.resample(None))
            if not pieces and broken is not None:
                raise _bad_audio(broken.strerror or type(broken).__name__) from broken
    except (FFmpegError, ValueError) as error:
        raise _bad_audio(getattr(error, "strerror", None) or str(error) or type(error).__name__) from error
    pcm = b"".join(pieces)
    if not pcm:
        raise InvalidInput("The audio file has no sound in it", code="audio_empty", field="file", hint=_HINT)
    return Audio(pcm, rate)


def _plane(samples: object) -> bytes:
    return np.ascontiguousarray(np.asarray(samples), dtype="<i2").tobytes()


async def decode_in_thread(
    data: bytes,
    *,
    max_rate: int | None = None,
    max_bytes: int = MAX_UPLOAD_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> Audio:
    """`decode` off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(
        threads, lambda: decode(data, max_rate=max_rate, max_bytes=max_bytes, max_seconds=max_seconds)
    )


# ---- encoding ----


class Encoder(Protocol):
    """Bytes of one answer. All calls block for milliseconds and come one after another, from any thread."""

    sample_rate: int

    def start(self) -> bytes: ...

    def encode(self, pcm: bytes) -> bytes: ...

    def finish(self) -> bytes: ...


def check_format(name: str, *, field: str = "response_format") -> Format:
    """Raises `InvalidInput` for a format that is not offered."""
    if name not in FORMATS:
        raise InvalidInput(
            "Format {name} is not one of {formats}",
            name=name, formats=", ".join(FORMATS), code="unknown_format", field=field,
        )  # fmt: skip
    return name


def wav_header(sample_rate: int, data_bytes: int | None = None) -> bytes:
    """A header for int16 mono. Without a length: 0xFFFFFFFF, as players expect from a stream that is still being made."""
    data = 0xFFFFFFFF if data_bytes is None else data_bytes
    riff = 0xFFFFFFFF if data_bytes is None else data_bytes + 36
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, sample_rate, sample_rate * 2, 2, 16, b"data", data
    )


def wav_file(audio: Audio) -> bytes:
    """A whole wav file with true lengths."""
    return wav_header(audio.sample_rate, len(audio.pcm)) + audio.pcm


class _Raw:
    """wav and pcm: a header at most, then samples as they are."""

    def __init__(self, sample_rate: int, header: bytes) -> None:
        self.sample_rate = sample_rate
        self._header = header

    def start(self) -> bytes:
        return self._header

    def encode(self, pcm: bytes) -> bytes:
        return pcm

    def finish(self) -> bytes:
        return b""


class _Sink:
    """What the muxer writes into. Without `seek` it cannot go back and patch its header, so nothing waits for the end."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


@dataclass(slots=True, frozen=True)
class _Recipe:
    muxer: str
    codec: str
    rates: tuple[int, ...] | None
    bit_rate: int | None
    container_options: dict[str, str]
    codec_options: dict[str, str]


_RECIPES: dict[Format, _Recipe] = {
    "mp3": _Recipe("mp3", "libmp3lame", _MP3_RATES, 96_000, {"write_xing": "0", "id3v2_version": "0"}, {}),
    "opus": _Recipe("ogg", "libopus", _OPUS_RATES, 48_000, {"page_duration": "60000"}, {"application": "voip"}),
    "flac": _Recipe("flac", "flac", None, None, {}, {"compression_level": "5"}),
    "aac": _Recipe("adts", "aac", _AAC_RATES, 96_000, {}, {}),
}


class _Muxed:
    """mp3, opus, flac, aac by libav."""

    def __init__(self, recipe: _Recipe, sample_rate: int) -> None:
        self._recipe = recipe
        rates = recipe.rates
        self.sample_rate = sample_rate if rates is None else next((r for r in rates if r >= sample_rate), rates[-1])
        self._sink = _Sink()
        self._written = 0
        self._open = False
        # A cancelled answer is closed while a thread may still be encoding its last chunk.
        self._lock = threading.Lock()

    def start(self) -> bytes:
        import av

        # A tiny I/O buffer and a flush per packet: the first bytes leave with the first frame.
        self._container = av.open(
            self._sink, "w", format=self._recipe.muxer, options={"flush_packets": "1", **self._recipe.container_options},
            buffer_size=1024,
        )  # fmt: skip
        self._open = True
        stream = self._container.add_stream(self._recipe.codec, rate=self.sample_rate, options=self._recipe.codec_options)
        self._stream = cast("av.AudioStream", stream)
        self._stream.layout = "mono"
        if self._recipe.bit_rate is not None:
            self._stream.bit_rate = self._recipe.bit_rate
        sample_format = self._stream.codec_context.codec.audio_formats
        names = [item.name for item in sample_format or ()]
        self._format = next((name for name in ("s16", "s16p", "fltp", "flt") if name in names), "s16")
        self._stream.format = self._format
        self._fifo: av.AudioFifo | None = None
        self._resampler = av.AudioResampler(format=self._format, layout="mono", rate=self.sample_rate)
        self._stream.codec_context.open()
        self._frame_size = self._stream.codec_context.frame_size or 1024
        self._fifo = av.AudioFifo()
        return b""

    def encode(self, pcm: bytes) -> bytes:
        import av

        samples = np.frombuffer(pcm, dtype="<i2")
        if samples.size == 0:
            return b""
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = self.sample_rate
        frame.pts = None
        with self._lock:
            if not self._open:
                return b""
            self._push(frame)
            return self._drain(last=False)

    def finish(self) -> bytes:
        with self._lock:
            if not self._open:
                return b""
            self._push(None)
            out = self._drain(last=True)
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._open = False
            self._container.close()
            return out + self._sink.take()

    def abandon(self) -> None:
        """Close what a cancelled answer left open; nothing after `finish`."""
        with self._lock:
            if self._open:
                self._open = False
                self._container.close()

    def _push(self, frame: object) -> None:
        assert self._fifo is not None
        for piece in self._resampler.resample(frame):  # type: ignore[arg-type]
            piece.pts = None
            self._fifo.write(piece)

    def _drain(self, *, last: bool) -> bytes:
        assert self._fifo is not None
        while self._fifo.samples >= self._frame_size or (last and self._fifo.samples):
            frame = self._fifo.read(min(self._frame_size, self._fifo.samples))
            if frame is None:
                break
            frame.pts = self._written
            self._written += frame.samples
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        return self._sink.take()


def make_encoder(format: Format, sample_rate: int) -> Encoder:
    """An encoder that expects PCM at its own `sample_rate`, the nearest that the codec can do (pcm: always 24 kHz)."""
    if format == "pcm":
        return _Raw(PCM_RATE, b"")
    if format == "wav":
        return _Raw(sample_rate, wav_header(sample_rate))
    return _Muxed(_RECIPES[format], sample_rate)


async def encode_stream(
    chunks: AsyncIterator[AudioChunk],
    format: str,
    sample_rate: int | None = None,
) -> AsyncGenerator[bytes, None]:
    """Encode `chunks` as they come; nothing waits for the last one. Closing the iterator closes `chunks`.

    `sample_rate` in Hz: default is the first chunk's own (24 kHz for `pcm`, always). Raises `InvalidInput` for an unknown format.
    """
    checked = check_format(format)
    loop = asyncio.get_running_loop()
    encoder: Encoder | None = None
    resampler: Resampler | None = None

    def first(chunk: AudioChunk) -> tuple[Encoder, Resampler, bytes]:
        made = make_encoder(checked, sample_rate or chunk.sample_rate)
        to_rate = Resampler(made.sample_rate)
        return made, to_rate, made.start() + made.encode(to_rate.process(chunk))

    def later(chunk: AudioChunk) -> bytes:
        assert encoder is not None
        assert resampler is not None
        return encoder.encode(resampler.process(chunk))

    def end() -> bytes:
        assert encoder is not None
        assert resampler is not None
        return encoder.encode(resampler.flush()) + encoder.finish()

    try:
        async for chunk in chunks:
            if encoder is None:
                encoder, resampler, data = await loop.run_in_executor(threads, first, chunk)
            else:
                data = await loop.run_in_executor(threads, later, chunk)
            if data:
                yield data
        if encoder is None:
            encoder, resampler, data = await loop.run_in_executor(threads, first, AudioChunk(b"", sample_rate or PCM_RATE))
            if data:
                yield data
        data = await loop.run_in_executor(threads, end)
        if data:
            yield data
    finally:
        if isinstance(encoder, _Muxed):
            threads.submit(encoder.abandon)
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
