"""Sample-rate conversion of a stream, in one step, by libsoxr."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ai_secretary.errors import InvalidInput
from ai_secretary.speech import AudioChunk

if TYPE_CHECKING:
    import soxr

MIN_RATE = 4_000
MAX_RATE = 192_000


def check_rate(sample_rate: int, *, field: str = "sample_rate") -> int:
    """Raises `InvalidInput` for a rate that no sound card or codec has."""
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise InvalidInput(
            "A sample rate of {rate} Hz is not between {low} and {high}",
            rate=sample_rate, low=MIN_RATE, high=MAX_RATE, field=field, code="sample_rate_out_of_range",
        )  # fmt: skip
    return sample_rate


class Resampler:
    """Turns chunks of any one source rate into `sample_rate`, int16 mono.

    Filter state is kept between chunks, so there are no clicks at their borders; `flush` gives what the filter still holds.
    A source that changes its rate in mid-stream gets a new filter.
    """

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = check_rate(sample_rate)
        self._source_rate = 0
        self._stream: soxr.ResampleStream | None = None
        self._odd = b""

    def process(self, chunk: AudioChunk) -> bytes:
        """PCM at the target rate; may be empty while the filter fills."""
        tail = b""
        if chunk.sample_rate != self._source_rate:
            tail = self.flush()
            self._source_rate = chunk.sample_rate
            self._stream = self._open(chunk.sample_rate)
        pcm = self._odd + chunk.pcm if self._odd else chunk.pcm
        if len(pcm) % 2:
            pcm, self._odd = pcm[:-1], pcm[-1:]
        else:
            self._odd = b""
        if self._stream is None:
            return tail + pcm
        return tail + self._run(pcm, last=False)

    def flush(self) -> bytes:
        """The end of the stream. The resampler can be used again for another one afterwards."""
        rest = self._run(b"", last=True) if self._stream is not None else b""
        self._stream = None
        self._source_rate = 0
        self._odd = b""
        return rest

    def _open(self, source_rate: int) -> soxr.ResampleStream | None:
        if source_rate == self.sample_rate:
            return None
        import soxr

        return soxr.ResampleStream(source_rate, self.sample_rate, 1, dtype="int16", quality="HQ")

    def _run(self, pcm: bytes, *, last: bool) -> bytes:
        samples = np.frombuffer(pcm, dtype="<i2")
        assert self._stream is not None
        resampled = self._stream.resample_chunk(samples, last=last)
        return bytes(np.asarray(resampled, dtype="<i2").tobytes())
