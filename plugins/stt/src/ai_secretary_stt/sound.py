"""PCM for the engines. Runs in the workers."""

from __future__ import annotations

from typing import Final

import numpy as np
import soxr

RATE: Final = 16_000
"""Hz: both engines listen at this rate."""
Samples = np.ndarray[tuple[int], np.dtype[np.float32]]


def to_float(pcm: bytes, sample_rate: int) -> Samples:
    """int16 mono at any rate → float32 −1…1 at 16 kHz."""
    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2").astype(np.float32) / 32768.0
    if sample_rate == RATE or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, sample_rate, RATE), dtype=np.float32)


def to_pcm(pcm: bytes, sample_rate: int) -> bytes:
    """int16 mono at any rate → int16 mono at 16 kHz."""
    pcm = pcm[: len(pcm) // 2 * 2]
    if sample_rate == RATE or not pcm:
        return pcm
    samples = np.asarray(soxr.resample(np.frombuffer(pcm, dtype="<i2"), sample_rate, RATE), dtype="<i2")
    return samples.tobytes()


class Resampler:
    """The same for a stream of pieces that follow one another."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self._stream = None if sample_rate == RATE else soxr.ResampleStream(sample_rate, RATE, 1, dtype="int16")
        self._odd = b""

    def feed(self, pcm: bytes, *, last: bool = False) -> bytes:
        pcm = self._odd + pcm
        whole = len(pcm) // 2 * 2
        self._odd = pcm[whole:]
        if self._stream is None:
            return pcm[:whole]
        samples = np.frombuffer(pcm[:whole], dtype="<i2")
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype="<i2").tobytes()
