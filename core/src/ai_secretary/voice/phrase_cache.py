"""Spoken phrases kept as PCM, so that a greeting is synthesised once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from ai_secretary.speech import AudioChunk

PhraseKey = tuple[str, str, float, tuple[tuple[str, float | int | str | bool], ...], str]


def phrase_key(
    voice_id: str, language: str, speed: float, parameters: Mapping[str, float | int | str | bool], text: str
) -> PhraseKey:
    """Everything that changes the sound."""
    return (voice_id, language, round(speed, 4), tuple(sorted(parameters.items())), text)


@dataclass(slots=True, frozen=True)
class PhraseCacheStats:
    """`bytes` of PCM held now, of at most `max_bytes`; `hits` and `misses` since the start."""

    phrases: int
    bytes: int
    max_bytes: int
    hits: int
    misses: int


class PhraseCache:
    """Least recently used phrases go first; the bound is in bytes. A phrase larger than an eighth of it is not kept."""

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._phrases: OrderedDict[PhraseKey, AudioChunk] = OrderedDict()
        self._bytes = 0
        self._hits = 0
        self._misses = 0

    def get(self, key: PhraseKey) -> AudioChunk | None:
        found = self._phrases.get(key)
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._phrases.move_to_end(key)
        return found

    def put(self, key: PhraseKey, audio: AudioChunk) -> None:
        if not audio.pcm or len(audio.pcm) > self._max_bytes // 8:
            return
        previous = self._phrases.pop(key, None)
        if previous is not None:
            self._bytes -= len(previous.pcm)
        self._phrases[key] = audio
        self._bytes += len(audio.pcm)
        self._shrink()

    def resize(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._shrink()

    def clear(self, voice_id: str | None = None) -> int:
        """Forget everything, or one voice's phrases; returns how many."""
        keys = [key for key in self._phrases if voice_id is None or key[0] == voice_id]
        for key in keys:
            self._bytes -= len(self._phrases.pop(key).pcm)
        return len(keys)

    def stats(self) -> PhraseCacheStats:
        return PhraseCacheStats(len(self._phrases), self._bytes, self._max_bytes, self._hits, self._misses)

    def _shrink(self) -> None:
        while self._bytes > self._max_bytes and self._phrases:
            _, oldest = self._phrases.popitem(last=False)
            self._bytes -= len(oldest.pcm)
