"""Whisper in its worker process: one loaded model, one recording at a time."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from ai_secretary.errors import InvalidInput, ProviderError
from ai_secretary_stt.sound import RATE, Samples, to_float

_SHORTEST = RATE // 20
"""50 ms: less cannot be speech."""


class WhisperEngine:
    """Constructed in the worker with the model's folder; a model that cannot be loaded is a start that failed."""

    def __init__(self, path: str, *, threads: int = 2, compute_type: str = "int8") -> None:
        # The hub must not be asked for anything: all files are here or the model is incomplete.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        from faster_whisper import WhisperModel

        try:
            self._model = WhisperModel(
                path, device="cpu", compute_type=compute_type, cpu_threads=threads, num_workers=1, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as error:
            raise ProviderError(
                "The recognition model cannot be loaded: {error}", error=str(error)[:300], code="stt_model_unusable",
                hint="Delete the model and download it again.",
            ) from error  # fmt: skip
        self._multilingual = bool(self._model.model.is_multilingual)
        self._turn = threading.Lock()

    def warm_up(self) -> None:
        """Touch every part once, so that the first person does not wait for it."""
        import numpy as np

        self._speech(np.zeros(RATE // 2, dtype=np.float32))
        segments, _ = self._model.transcribe(np.zeros(RATE, dtype=np.float32), language="en", beam_size=1, max_new_tokens=1)
        list(segments)

    def transcribe(
        self,
        pcm: bytes,
        sample_rate: int,
        *,
        language: str | None,
        likely: Sequence[str],
        prompt: str,
        temperature: float,
        word_timestamps: bool,
        beam_size: int,
        skip_silence: bool,
        cancelled: threading.Event,
    ) -> dict[str, Any]:
        """`likely`: languages to choose from where `language` is None; empty: any. Ends early when cancelled."""
        language = self._check_language(language)
        audio = to_float(pcm, sample_rate)
        duration = len(audio) / RATE
        empty: dict[str, Any] = {"text": "", "language": language, "duration": duration, "segments": [], "words": []}
        if len(audio) < _SHORTEST:
            return empty
        chunks = self._speech(audio) if skip_silence else None
        if chunks is not None and not chunks:
            return empty
        with self._turn:
            if cancelled.is_set():
                return empty
            return self._decode(
                audio, chunks, language, likely, prompt, temperature, word_timestamps, beam_size, cancelled, duration
            )

    def _decode(
        self,
        audio: Samples,
        chunks: list[dict[str, int]] | None,
        language: str | None,
        likely: Sequence[str],
        prompt: str,
        temperature: float,
        word_timestamps: bool,
        beam_size: int,
        cancelled: threading.Event,
        duration: float,
    ) -> dict[str, Any]:
        import numpy as np
        from faster_whisper.transcribe import restore_speech_timestamps
        from faster_whisper.vad import collect_chunks

        heard: Any = audio
        if chunks is not None:
            pieces, _ = collect_chunks(audio, chunks)
            heard = np.concatenate(pieces, axis=0)

        def run(chosen: str | None) -> tuple[Iterable[Any], Any]:
            found: tuple[Iterable[Any], Any] = self._model.transcribe(
                heard,
                language=chosen,
                beam_size=beam_size,
                # One temperature only: the library's fallbacks repeat a hopeless decoding up to five times.
                temperature=temperature,
                initial_prompt=prompt or None,
                word_timestamps=word_timestamps,
                condition_on_previous_text=False,
                vad_filter=False,
                no_speech_threshold=0.6,
            )
            return found

        segments, info = run(language)
        if language is None and likely and self._multilingual and info.language not in likely:
            ranked = [code for code, _ in info.all_language_probs or () if code in likely]
            segments, info = run(ranked[0] if ranked else None)
        if chunks is not None:
            segments = restore_speech_timestamps(segments, chunks, RATE)
        found: list[dict[str, Any]] = []
        words: list[dict[str, Any]] = []
        for segment in segments:
            if cancelled.is_set():
                break
            found.append(
                {
                    "text": segment.text.strip(),
                    "start": float(segment.start),
                    "end": min(float(segment.end), duration),
                    "average_logprob": float(segment.avg_logprob),
                    "no_speech_probability": float(segment.no_speech_prob),
                    "compression_ratio": float(segment.compression_ratio),
                }
            )
            words += [
                {
                    "text": word.word.strip(),
                    "start": float(word.start),
                    "end": min(float(word.end), duration),
                    "probability": float(word.probability),
                }
                for word in segment.words or ()
            ]
        text = " ".join(segment["text"] for segment in found if segment["text"])
        return {"text": text, "language": info.language, "duration": duration, "segments": found, "words": words}

    @staticmethod
    def _speech(audio: Samples) -> list[dict[str, int]]:
        """Where somebody speaks, in samples (Silero VAD, shipped with faster-whisper)."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        # Generous edges: a swallowed first consonant costs more than 0.4 s of silence.
        options = VadOptions(threshold=0.5, min_speech_duration_ms=90, min_silence_duration_ms=1500, speech_pad_ms=400)
        found: list[dict[str, int]] = get_speech_timestamps(audio, options)
        return found

    def _check_language(self, language: str | None) -> str | None:
        if language is None:
            return None if self._multilingual else "en"
        language = language.lower().partition("-")[0]
        if language not in self._model.supported_languages:
            raise InvalidInput(
                "This recogniser does not know the language {language}",
                language=language[:20],
                code="language_not_supported",
                field="language",
            )
        return language
