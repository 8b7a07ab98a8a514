"""The voice of the house: text to sound clause by clause, sound to text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal

from ai_secretary.context import current_request
from ai_secretary.conversations import Journal, UsageRecord
from ai_secretary.errors import InvalidInput
from ai_secretary.plugins.context import TaskOwner
from ai_secretary.plugins.registries import Registries
from ai_secretary.speech import (
    Audio,
    AudioChunk,
    RecognitionOptions,
    Recognizer,
    RecognizerInfo,
    Synthesizer,
    Transcript,
    VoiceInfo,
    VoiceOptions,
)
from ai_secretary.storage import Database, Preferences
from ai_secretary.voice import selection
from ai_secretary.voice.clauses import ClauseCutter
from ai_secretary.voice.codecs import MAX_SECONDS, MAX_UPLOAD_BYTES, decode_in_thread
from ai_secretary.voice.fair_gate import FairGate
from ai_secretary.voice.language import detect
from ai_secretary.voice.normalization import normalise_off_loop, plain_off_loop, warm_up
from ai_secretary.voice.phrase_cache import PhraseCache, PhraseCacheStats, phrase_key
from ai_secretary.voice.preferences import SUBJECT, VoicePreferences
from ai_secretary.voice.presets import Presets, engine_parameters
from ai_secretary.voice.resampling import Resampler, check_rate

Parameters = Mapping[str, float | int | str | bool]

FIRST_CLAUSE_TIMEOUT_S = 0.28
"""A model that pauses in its first sentence is spoken up to there after this time."""
RECOGNITION_RATE = 16_000
"""Hz: recognisers hear nothing above 8 kHz, so uploads are brought down while they are decoded."""
MIN_SPEED, MAX_SPEED = 0.25, 4.0


@dataclass(slots=True, frozen=True)
class _Manner:
    """How one reply is spoken; resolved once."""

    synthesizer: Synthesizer
    info: VoiceInfo
    language: str
    options: VoiceOptions
    normalise: bool


class _ClauseEnd:
    """Marks the end of a clause between its chunks."""


_CLAUSE_END = _ClauseEnd()
_Item = AudioChunk | _ClauseEnd | BaseException | None


class Voice:
    """One per application. `load` once at start-up, `close` at shutdown."""

    def __init__(
        self,
        registries: Registries,
        preferences: Preferences,
        database: Database,
        journal: Journal | None = None,
    ) -> None:
        """`journal` takes the usage: characters spoken, seconds heard."""
        self._registries = registries
        self._preferences = preferences
        self._journal = journal
        self.presets = Presets(database)
        self._tasks = TaskOwner("voice")
        self._bookkeeping = TaskOwner("voice-usage")
        self._unstored: set[asyncio.Task[None]] = set()
        self._cache = PhraseCache()
        self._speaking: dict[str, FairGate] = {}
        self._listening: dict[str, FairGate] = {}

    async def load(self) -> None:
        """Read the presets; the dictionaries for reading aloud are loaded in the background."""
        await self.presets.load()

    def warm_up(self) -> None:
        """Load the dictionaries in the background, so that the first Russian sentence does not wait for them."""
        self._tasks.spawn(warm_up(), name="dictionaries")

    async def close(self) -> None:
        """Stop speaking; usage that is being stored is waited for."""
        await self._tasks.cancel_all()
        if self._unstored:
            await asyncio.wait(self._unstored, timeout=5.0)
        await self._bookkeeping.cancel_all()

    @property
    def preferences(self) -> VoicePreferences:
        return self._preferences.get(SUBJECT, VoicePreferences)

    async def save_preferences(self, value: VoicePreferences) -> None:
        """Store and apply. Raises `InvalidInput` for a preset that does not exist."""
        self.presets.get(value.preset)
        await self._preferences.set(SUBJECT, value)

    # ---- what there is ----

    def voices(self) -> list[VoiceInfo]:
        return self._registries.voices()

    def recognizers(self) -> list[RecognizerInfo]:
        return self._registries.recognizers()

    def resolve(self, voice: str | None, language: str | None = None) -> Synthesizer:
        """A voice by id, bare name or stock name; None: the default one of `language`."""
        return selection.find_voice(self._registries, self.preferences, voice, language)

    def resolve_recognizer(self, recognizer: str | None, language: str | None = None) -> Recognizer:
        return selection.find_recognizer(self._registries, self.preferences, recognizer, language)

    def cache_stats(self) -> PhraseCacheStats:
        self._cache.resize(self.preferences.cache_mb * 1024 * 1024)
        return self._cache.stats()

    def clear_cache(self) -> int:
        return self._cache.clear()

    @property
    def active(self) -> int:
        """Replies that are being spoken now."""
        return sum(gate.requests for gate in self._speaking.values())

    # ---- speaking ----

    async def speak(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        speed: float | None = None,
        parameters: Parameters | None = None,
        sample_rate: int | None = None,
        normalise: bool = True,
        preset: str | None = None,
    ) -> AsyncGenerator[AudioChunk, None]:
        """Speak a whole text; the first clause sounds while the next is made. Closing the iterator stops the engine.

        `sample_rate` in Hz; default is the voice's own. Raises before the first chunk: `InvalidInput`, `Unavailable`
        (with `retry_after` when too many wait), `ProviderError`.
        """

        language = language or detect(text, self._prior())
        if normalise:
            # Markup can span clauses; numbers and abbreviations are read clause by clause.
            text = await plain_off_loop(text, language)

        async def whole() -> AsyncIterator[str]:
            yield text

        stream = self.speak_stream(
            whole(), voice=voice, language=language, speed=speed, parameters=parameters,
            sample_rate=sample_rate, normalise=normalise, preset=preset,
        )  # fmt: skip
        async with aclosing(stream):
            async for chunk in stream:
                yield chunk

    async def speak_stream(
        self,
        pieces: AsyncIterator[str],
        *,
        voice: str | None = None,
        language: str | None = None,
        speed: float | None = None,
        parameters: Parameters | None = None,
        sample_rate: int | None = None,
        normalise: bool = True,
        preset: str | None = None,
    ) -> AsyncGenerator[AudioChunk, None]:
        """Speak a text while it is being written. Closing the iterator stops the engine and closes `pieces`."""
        if sample_rate is not None:
            check_rate(sample_rate)
        started = time.perf_counter()
        resampler = Resampler(sample_rate) if sample_rate is not None else None
        queue: asyncio.Queue[_Item] = asyncio.Queue()
        # Two clauses may be unheard at once: the one that sounds and the one after it.
        slots = asyncio.Semaphore(2)
        job = _Job(self, pieces, queue, slots, (voice, language, speed, parameters, normalise, preset))
        task = self._tasks.spawn(job.run(), name="speak")
        try:
            while (item := await queue.get()) is not None:
                if isinstance(item, BaseException):
                    raise item
                if isinstance(item, _ClauseEnd):
                    slots.release()
                    # The filter holds back up to a tenth of a second: a clause would lose its last sound to the next.
                    if resampler is not None and (rest := resampler.flush()):
                        yield AudioChunk(rest, resampler.sample_rate)
                    continue
                if resampler is None:
                    yield item
                elif pcm := resampler.process(item):
                    yield AudioChunk(pcm, resampler.sample_rate)
            if resampler is not None and (rest := resampler.flush()):
                yield AudioChunk(rest, resampler.sample_rate)
        finally:
            task.cancel()
            await asyncio.wait([task])
            if job.characters:
                self._count("tts", job.voice_id, job.characters, started)

    def _manner(
        self,
        sample: str,
        voice: str | None,
        language: str | None,
        speed: float | None,
        parameters: Parameters | None,
        normalise: bool,
        preset: str | None,
    ) -> _Manner:
        preferences = self.preferences
        language = language or detect(sample, self._prior())
        synthesizer = self.resolve(voice, language)
        info = synthesizer.info
        chosen = self.presets.get(preset) if preset else self.presets.find(preferences.preset)
        if speed is None:
            base = chosen.intonation.speed if chosen is not None and (preset or _has_intonation(info)) else 1.0
            speed = min(max(preferences.speed * base, MIN_SPEED), MAX_SPEED)
        elif not MIN_SPEED <= speed <= MAX_SPEED:
            raise InvalidInput("Speed {speed} is not between 0.25 and 4", speed=speed, code="speed_out_of_range", field="speed")
        values: dict[str, float | int | str | bool] = {}
        if chosen is not None:
            values.update(engine_parameters(chosen.intonation, info))
        values.update(parameters or {})
        return _Manner(synthesizer, info, language, VoiceOptions(language, speed, values), normalise)

    def _prior(self) -> str | None:
        from ai_secretary.i18n import current_language

        return current_language()

    def _gate(self, gates: dict[str, FairGate], engine: str, capacity: int) -> FairGate:
        queue = self.preferences.queue
        gate = gates.get(engine)
        if gate is None:
            gate = gates[engine] = FairGate(capacity, queue)
        gate.capacity, gate.max_requests = capacity, queue
        return gate

    # ---- listening ----

    async def transcribe(
        self,
        data: bytes | Audio,
        *,
        language: str | None = None,
        recognizer: str | None = None,
        prompt: str = "",
        word_timestamps: bool = False,
        temperature: float = 0.0,
        max_bytes: int = MAX_UPLOAD_BYTES,
        max_seconds: float = MAX_SECONDS,
    ) -> Transcript:
        """Recognise a file of any common format, or PCM.

        Raises `InvalidInput`, `TooLarge`, `NotFound`, `Unavailable` or `ProviderError`.
        """
        engine = self.resolve_recognizer(recognizer, language)
        gate = self._gate(self._listening, engine.info.engine, self.preferences.parallel_recognition)
        started = time.perf_counter()
        async with gate.admit():
            audio = data if isinstance(data, Audio) else await decode_in_thread(
                data, max_rate=RECOGNITION_RATE, max_bytes=max_bytes, max_seconds=max_seconds
            )  # fmt: skip
            if not audio.pcm:
                raise InvalidInput("The recording is empty", code="audio_empty", field="file")
            async with gate.turn(_identity()):
                transcript = await engine.transcribe(audio, RecognitionOptions(language, prompt, temperature, word_timestamps))
        self._count("stt", engine.info.id, audio.duration, started)
        return transcript

    def _count(self, kind: Literal["tts", "stt"], provider: str, units: float, started: float) -> None:
        if self._journal is None or not self._journal.running:
            return
        elapsed = (time.perf_counter() - started) * 1000
        record = UsageRecord(kind, actor_id=_identity() or None, source="voice", model=provider, units=units, duration_ms=elapsed)
        task = self._bookkeeping.spawn(self._journal.record(record), name="store")
        self._unstored.add(task)
        task.add_done_callback(self._unstored.discard)


class _Job:
    """The part of one reply that runs behind the listener's back: cut, normalise, synthesise, one clause ahead."""

    def __init__(
        self,
        voice: Voice,
        pieces: AsyncIterator[str],
        queue: asyncio.Queue[_Item],
        slots: asyncio.Semaphore,
        wishes: tuple[str | None, str | None, float | None, Parameters | None, bool, str | None],
    ) -> None:
        self._voice = voice
        self._pieces = pieces
        self._queue = queue
        self._slots = slots
        self._wishes = wishes
        self._cutter = ClauseCutter()
        self._identity = _identity()
        self.characters = 0
        self.voice_id = ""

    async def run(self) -> None:
        try:
            await self._speak()
        except Exception as error:  # handed to the listener, who raises it
            self._queue.put_nowait(error)
        finally:
            self._queue.put_nowait(None)

    async def _speak(self) -> None:
        texts: asyncio.Queue[str | BaseException | None] = asyncio.Queue()
        pump = self._voice._tasks.spawn(self._pump(texts), name="read")
        try:
            async with aclosing(self._clauses(texts)) as clauses:
                first = await anext(clauses, None)
                if first is None:
                    return
                manner = self._voice._manner(first, *self._wishes)
                self.voice_id = manner.info.id
                gate = self._voice._gate(self._voice._speaking, manner.info.engine, self._voice.preferences.parallel)
                async with gate.admit():
                    await self._clause(first, manner, gate)
                    async for clause in clauses:
                        await self._clause(clause, manner, gate)
        finally:
            pump.cancel()
            await asyncio.wait([pump])

    async def _pump(self, texts: asyncio.Queue[str | BaseException | None]) -> None:
        """Reads the model at its own pace, in one task, so that a time-out here never disturbs it."""
        try:
            async for piece in self._pieces:
                texts.put_nowait(piece)
        except Exception as error:  # raised again where the clauses are read
            texts.put_nowait(error)
        finally:
            close = getattr(self._pieces, "aclose", None)
            if close is not None:
                await close()
            texts.put_nowait(None)

    async def _clauses(self, texts: asyncio.Queue[str | BaseException | None]) -> AsyncGenerator[str, None]:
        clock = asyncio.get_running_loop().time
        given = False
        patience: float | None = None  # when the first clause is due at the latest
        while True:
            ready: list[str] = []
            due = patience is not None and not given and clock() >= patience
            try:
                async with asyncio.timeout_at(None if patience is None or given or due else patience):
                    text = await texts.get()
            except TimeoutError:
                ready = self._cutter.force()
            else:
                if isinstance(text, BaseException):
                    raise text
                if text is None:
                    for clause in self._cutter.flush():
                        yield clause
                    return
                ready = self._cutter.feed(text)
                if not ready and due:
                    ready = self._cutter.force()
                if patience is None and self._cutter.waiting.strip():
                    patience = clock() + FIRST_CLAUSE_TIMEOUT_S
            for clause in ready:
                given = True
                yield clause

    async def _clause(self, raw: str, manner: _Manner, gate: FairGate) -> None:
        await self._slots.acquire()
        language = manner.language
        if manner.normalise:
            spoken_in = detect(raw, language)
            if spoken_in in manner.info.languages:
                language = spoken_in
            elif language not in manner.info.languages and manner.info.languages:
                language = manner.info.languages[0]
            text = await normalise_off_loop(raw, language)
        else:
            text = " ".join(raw.split())
        if not any(character.isalnum() for character in text):
            self._queue.put_nowait(_CLAUSE_END)
            return
        options = manner.options
        if options.language != language:
            options = VoiceOptions(language, options.speed, options.parameters)
        key = phrase_key(manner.info.id, language, options.speed, options.parameters, text)
        cached = self._voice._cache.get(key)
        if cached is not None:
            self._queue.put_nowait(cached)
        else:
            parts: list[bytes] = []
            rate = 0
            async with gate.turn(self._identity):
                stream = manner.synthesizer.synthesize(text, options)
                try:
                    async for chunk in stream:
                        if chunk.pcm:
                            parts.append(chunk.pcm)
                            rate = chunk.sample_rate
                            self._queue.put_nowait(chunk)
                finally:
                    close = getattr(stream, "aclose", None)
                    if close is not None:
                        await close()
            if parts:
                self._voice._cache.put(key, AudioChunk(b"".join(parts), rate))
        self.characters += len(raw)
        self._queue.put_nowait(_CLAUSE_END)


def _has_intonation(info: VoiceInfo) -> bool:
    return "temperature" in info.parameters


def _identity() -> str:
    """Whose turn it is in the queue."""
    request = current_request()
    if request is None:
        return ""
    return request.principal.id if request.principal is not None else request.address
