"""The recognisers of both engines, as the core knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ai_secretary.errors import InvalidInput
from ai_secretary.i18n import N_
from ai_secretary.ids import new_id
from ai_secretary.plugins import TaskOwner
from ai_secretary.speech import (
    Audio,
    RecognitionOptions,
    RecognitionStream,
    Recognizer,
    RecognizerInfo,
    Segment,
    Transcript,
    Word,
)
from ai_secretary_stt.engines import Engines
from ai_secretary_stt.library import Engine, Library, StoredModel
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.streams import VoskStream, utterances_to_transcript

_LONGEST_S = 4 * 3600
"""Seconds of audio in one recording."""


def title_of(model: StoredModel) -> str:
    """`Whisper base`, `Vosk small-ru-0.22`."""
    return f"{'Whisper' if model.engine == 'whisper' else 'Vosk'} {model.name}"


def info_of(model: StoredModel, engines: Engines) -> RecognizerInfo:
    status = engines.status(model)
    return RecognizerInfo(
        id=model.id,
        title=title_of(model),
        engine=model.engine,
        languages=model.languages,
        streaming=model.engine == "vosk",
        state=status.state,
        reason=status.reason,
        description=(
            N_("Listens to a whole phrase at once; exact, with punctuation")
            if model.engine == "whisper"
            else N_("Writes along while a person speaks; one language, no punctuation")
        ),
        size_bytes=model.size_bytes,
    )


def _check(model: StoredModel, audio: Audio, options: RecognitionOptions) -> None:
    if not 4_000 <= audio.sample_rate <= 192_000:
        raise InvalidInput(
            "Sample rate {rate} Hz is not between 4000 and 192000",
            rate=audio.sample_rate,
            code="sample_rate",
            field="sample_rate",
        )
    if audio.duration > _LONGEST_S:
        raise InvalidInput(
            "The recording is longer than {hours} hours", hours=_LONGEST_S // 3600, code="audio_too_long", field="file"
        )
    _check_language(model, options.language)


def _check_language(model: StoredModel, language: str | None) -> None:
    if language is not None and model.languages is not None and language.lower().partition("-")[0] not in model.languages:
        raise InvalidInput(
            "{recognizer} does not understand the language {language}",
            recognizer=title_of(model),
            language=language[:20],
            code="language_not_supported",
            field="language",
            hint="Choose another recogniser.",
        )


def _deadline(audio: Audio) -> float:
    """Seconds after which a recognition counts as hung: a slow machine may take several times the length of the audio."""
    return 60.0 + 8.0 * audio.duration


class WhisperRecognizer:
    """A whole recording at once."""

    def __init__(self, model: StoredModel, engines: Engines, options: Callable[[], SttOptions]) -> None:
        self._model = model
        self._engines = engines
        self._options = options

    @property
    def info(self) -> RecognizerInfo:
        return info_of(self._model, self._engines)

    async def transcribe(self, audio: Audio, options: RecognitionOptions) -> Transcript:
        """Silence gives an empty text. Raises `InvalidInput` and `WorkerError`."""
        _check(self._model, audio, options)
        if not 0.0 <= options.temperature <= 1.0:
            raise InvalidInput(
                "Temperature {value} is not between 0 and 1", value=options.temperature, code="temperature", field="temperature"
            )
        own = self._options()
        result: Mapping[str, Any] = (
            await self._engines.worker(self._model)
            .within(_deadline(audio))
            .call(
                "transcribe",
                pcm=audio.pcm,
                sample_rate=audio.sample_rate,
                language=options.language,
                likely=list(own.languages),
                prompt=options.prompt[:4000],
                temperature=options.temperature,
                word_timestamps=options.word_timestamps,
                beam_size=own.beam_size,
                skip_silence=own.skip_silence,
            )
        )
        return Transcript(
            text=result["text"],
            language=result["language"],
            duration=result["duration"],
            segments=tuple(Segment(**segment) for segment in result["segments"]),
            words=tuple(Word(**word) for word in result["words"]),
        )

    def open_stream(self, options: RecognitionOptions) -> RecognitionStream:
        raise InvalidInput(
            "{recognizer} listens to whole phrases and cannot write along",
            recognizer=title_of(self._model),
            code="not_streaming",
            hint="Choose a Vosk recogniser.",
        )


class VoskRecognizer:
    """A whole recording, or a stream with partials."""

    def __init__(self, model: StoredModel, engines: Engines, tasks: TaskOwner) -> None:
        self._model = model
        self._engines = engines
        self._tasks = tasks

    @property
    def info(self) -> RecognizerInfo:
        return info_of(self._model, self._engines)

    @property
    def _language(self) -> str | None:
        return self._model.languages[0] if self._model.languages else None

    async def transcribe(self, audio: Audio, options: RecognitionOptions) -> Transcript:
        """`prompt` and `temperature` mean nothing to this engine. Raises `InvalidInput` and `WorkerError`."""
        _check(self._model, audio, options)
        utterances = (
            await self._engines.worker(self._model)
            .within(_deadline(audio))
            .call("transcribe", pcm=audio.pcm, sample_rate=audio.sample_rate)
        )
        language = options.language or self._language
        return utterances_to_transcript(utterances, language, audio.duration, words=options.word_timestamps)

    def open_stream(self, options: RecognitionOptions) -> RecognitionStream:
        _check_language(self._model, options.language)
        worker = self._engines.worker(self._model)
        return VoskStream(
            worker, self._tasks, new_id("stream"), options.language or self._language, words=options.word_timestamps
        )


class SttSource:
    """The recognisers of one engine; what it lists follows the library."""

    def __init__(
        self, engine: Engine, library: Library, engines: Engines, options: Callable[[], SttOptions], tasks: TaskOwner
    ) -> None:
        self._engine = engine
        self._library = library
        self._engines = engines
        self._options = options
        self._tasks = tasks

    @property
    def id(self) -> str:
        return self._engine

    def recognizers(self) -> Sequence[RecognizerInfo]:
        return [info_of(model, self._engines) for model in self._library.models if model.engine == self._engine]

    def find(self, recognizer_id: str) -> Recognizer | None:
        model = self._library.find(recognizer_id)
        if model is None or model.engine != self._engine:
            return None
        if model.engine == "whisper":
            return WhisperRecognizer(model, self._engines, self._options)
        return VoskRecognizer(model, self._engines, self._tasks)
