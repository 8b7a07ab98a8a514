"""Recognition while a person speaks: feeding never waits for the engine, results come as it has them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Final

from ai_secretary.errors import InvalidInput, SecretaryError, Unavailable
from ai_secretary.plugins import TaskOwner
from ai_secretary.speech import AudioChunk, Segment, Transcript, Word
from ai_secretary.workers import Worker, WorkerError

_MOST_AT_ONCE_S: Final = 0.4
"""Seconds of audio per call: an engine that lags gets bigger pieces, which it works off faster."""
_LONGEST_BACKLOG_S: Final = 30.0
_CALL_TIMEOUT_S: Final = 30.0


class VoskStream:
    """A `RecognitionStream`. `finish` gives the whole text, over all utterances; `results` gives each utterance by itself.

    Word times are seconds from the beginning of the stream.
    """

    def __init__(self, worker: Worker, tasks: TaskOwner, stream_id: str, language: str | None, *, words: bool) -> None:
        self._worker = worker
        self._id = stream_id
        self._language = language
        self._words = words
        self._buffer: deque[bytes] = deque()
        self._buffered = 0
        self._rate = 0
        self._seconds = 0.0
        self._changed = asyncio.Event()
        self._results: deque[Transcript] = deque()
        self._result_there = asyncio.Event()
        self._utterances: list[Mapping[str, Any]] = []
        self._finishing = False
        self._closed = False
        self._error: SecretaryError | None = None
        self._pump = tasks.spawn(self._run(), name=f"recognition:{stream_id}")
        self._tasks = tasks

    async def feed(self, chunk: AudioChunk) -> None:
        """Takes the sound and returns at once. Raises what the engine raised, `Unavailable` when it is 30 s behind."""
        if self._error is not None:
            raise self._error
        if self._closed or self._finishing:
            raise InvalidInput("The recognition has already ended", code="stream_ended")
        if not chunk.pcm:
            return
        if self._rate == 0:
            self._rate = chunk.sample_rate
        elif chunk.sample_rate != self._rate:
            raise InvalidInput(
                "The sample rate changed from {old} to {new} Hz in the middle of the speech",
                old=self._rate,
                new=chunk.sample_rate,
                code="sample_rate",
            )
        if self._buffered / 2 / self._rate > _LONGEST_BACKLOG_S:
            raise Unavailable(
                "The recogniser cannot keep up with the speech", code="stt_too_slow", hint="Choose a smaller model."
            )
        self._buffer.append(chunk.pcm)
        self._buffered += len(chunk.pcm)
        self._seconds += chunk.duration
        self._changed.set()

    async def results(self) -> AsyncIterator[Transcript]:
        while True:
            while self._results:
                yield self._results.popleft()
            if self._error is not None:
                raise self._error
            if self._closed or self._pump.done():
                return
            self._result_there.clear()
            await self._result_there.wait()

    async def finish(self) -> Transcript:
        """The text of all utterances, after everything fed has been heard."""
        self._finishing = True
        self._changed.set()
        # The pump must not be cancelled with whoever waits for it here: `close` may still want the end.
        await asyncio.wait([self._pump])
        if self._error is not None:
            raise self._error
        return utterances_to_transcript(self._utterances, self._language, self._seconds, words=self._words)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        running = not self._pump.done()
        self._pump.cancel()
        self._buffer.clear()
        self._result_there.set()
        if running and self._rate and self._worker.state == "ready":
            # Somebody who hangs up must not wait for the engine.
            self._tasks.spawn(self._forget(), name=f"forget:{self._id}")

    async def _forget(self) -> None:
        try:
            await self._worker.within(_CALL_TIMEOUT_S).call("close_stream", stream=self._id)
        except WorkerError:
            pass  # a worker that is gone has forgotten by itself

    async def _run(self) -> None:
        try:
            await self._pump_sound()
        except SecretaryError as error:
            self._error = error
        finally:
            self._result_there.set()

    async def _pump_sound(self) -> None:
        engine = self._worker.within(_CALL_TIMEOUT_S)
        opened = False
        while True:
            if not self._buffer:
                if self._finishing:
                    break
                self._changed.clear()
                await self._changed.wait()
                continue
            if not opened:
                await engine.call("open", stream=self._id, sample_rate=self._rate)
                opened = True
            piece = self._take(int(_MOST_AT_ONCE_S * self._rate) * 2)
            self._heard(await engine.call("feed", stream=self._id, pcm=piece))
        if opened:
            self._heard(await engine.call("finish", stream=self._id))

    def _take(self, size: int) -> bytes:
        pieces: list[bytes] = []
        taken = 0
        while self._buffer and taken + len(self._buffer[0]) <= max(size, len(self._buffer[0])):
            piece = self._buffer.popleft()
            pieces.append(piece)
            taken += len(piece)
        self._buffered -= taken
        return b"".join(pieces)

    def _heard(self, result: Mapping[str, Any]) -> None:
        for utterance in result["finals"]:
            self._utterances.append(utterance)
            self._results.append(utterances_to_transcript([utterance], self._language, result["seconds"], words=self._words))
        if result["partial"]:
            # A newer partial replaces one that nobody has read yet.
            if self._results and not self._results[-1].final:
                self._results.pop()
            self._results.append(Transcript(result["partial"], self._language, result["seconds"], final=False))
        if self._results:
            self._result_there.set()


def utterances_to_transcript(
    utterances: Iterable[Mapping[str, Any]], language: str | None, duration: float, *, words: bool
) -> Transcript:
    """One transcript of several utterances, each a segment."""
    segments: list[Segment] = []
    heard: list[Word] = []
    for utterance in utterances:
        own = [Word(**word) for word in utterance["words"]]
        start, end = (own[0].start, own[-1].end) if own else (0.0, duration)
        segments.append(Segment(utterance["text"], start, end))
        heard += own
    return Transcript(
        text=" ".join(segment.text for segment in segments),
        language=language,
        duration=duration,
        segments=tuple(segments),
        words=tuple(heard) if words else (),
    )
