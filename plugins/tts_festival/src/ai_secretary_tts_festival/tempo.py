"""Faster and slower without a change of pitch: recorded units ignore Festival's own `Duration_Stretch`.

WSOLA (Verhelst and Roelands, 1993): windows are taken at the new pace, each shifted by a few milliseconds so that it continues
the wave of the one before, and added with an overlap of one half.
"""

from __future__ import annotations

import numpy as np

_WINDOW_S = 0.030
_SEARCH_S = 0.010


def change_tempo(pcm: bytes, sample_rate: int, speed: float) -> bytes:
    """PCM (int16, mono) that lasts `1 / speed` times as long."""
    if speed == 1.0 or len(pcm) < 4 * int(_WINDOW_S * sample_rate):
        return pcm
    half = int(_WINDOW_S * sample_rate) // 2
    search = int(_SEARCH_S * sample_rate)
    sound = np.frombuffer(pcm, np.int16).astype(np.float32)
    length = int(len(sound) / speed)
    padded = np.pad(sound, (search, 4 * half + search))
    window = np.hanning(2 * half + 1)[:-1].astype(np.float32)
    made = np.zeros(length + 2 * half, np.float32)
    follows = padded[search : search + 2 * half]
    for start in range(0, length, half):
        wanted = min(int(start * speed), len(sound)) + search
        around = padded[wanted - search : wanted + search + 2 * half]
        shift = int(np.argmax(np.correlate(around, follows, "valid"))) if start else search
        best = wanted - search + shift
        made[start : start + 2 * half] += window * padded[best : best + 2 * half]
        follows = padded[best + half : best + 3 * half]
    return np.clip(made[:length], -32768, 32767).astype(np.int16).tobytes()
