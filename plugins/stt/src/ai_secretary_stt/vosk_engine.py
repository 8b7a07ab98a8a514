"""Vosk in its worker process: one loaded model, any number of streams."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

from ai_secretary.errors import ProviderError
from ai_secretary_stt.sound import RATE, Resampler, to_pcm

_PIECE = RATE // 5 * 2
"""Bytes of 200 ms: how often a whole recording looks whether it is still wanted."""
_FORGOTTEN_S = 900.0
"""A stream that nobody feeds for so long was lost by its owner."""


class _Stream:
    def __init__(self, recognizer: Any, sample_rate: int) -> None:
        self.recognizer = recognizer
        self.resampler = Resampler(sample_rate)
        self.lock = threading.Lock()
        self.used = time.monotonic()
        self.seconds = 0.0
        self.last_partial = ""


class VoskEngine:
    """Constructed in the worker with the model's folder."""

    def __init__(self, path: str) -> None:
        import vosk

        vosk.SetLogLevel(-1)
        self._vosk = vosk
        try:
            self._model = vosk.Model(path)
        except Exception as error:  # the library raises nothing narrower
            raise ProviderError(
                "The recognition model cannot be loaded: {error}", error=str(error)[:300], code="stt_model_unusable",
                hint="Delete the model and download it again.",
            ) from error  # fmt: skip
        self._streams: dict[str, _Stream] = {}
        self._lock = threading.Lock()

    def warm_up(self) -> None:
        self._recognizer(words=False).AcceptWaveform(bytes(RATE))

    def transcribe(self, pcm: bytes, sample_rate: int, *, cancelled: threading.Event) -> list[dict[str, Any]]:
        """Utterances `{"text", "words"}` in order; ends early when cancelled."""
        recognizer = self._recognizer(words=True)
        pcm = to_pcm(pcm, sample_rate)
        found: list[dict[str, Any]] = []
        for start in range(0, len(pcm), _PIECE):
            if cancelled.is_set():
                return []
            if recognizer.AcceptWaveform(pcm[start : start + _PIECE]):
                found.append(_utterance(recognizer.Result()))
        found.append(_utterance(recognizer.FinalResult()))
        return [utterance for utterance in found if utterance["text"]]

    # ---- streams ----

    def open(self, stream: str, sample_rate: int) -> None:
        recognizer = self._recognizer(words=True)
        moment = time.monotonic()
        with self._lock:
            for old in [key for key, value in self._streams.items() if moment - value.used > _FORGOTTEN_S]:
                del self._streams[old]
            self._streams[stream] = _Stream(recognizer, sample_rate)

    def feed(self, stream: str, pcm: bytes) -> dict[str, Any]:
        """Utterances that ended in this piece, and the partial of the one that goes on (None: unchanged)."""
        state = self._stream(stream)
        with state.lock:
            state.used = time.monotonic()
            sound = state.resampler.feed(pcm)
            state.seconds += len(sound) / 2 / RATE
            finals: list[dict[str, Any]] = []
            partial: str | None = None
            if sound and state.recognizer.AcceptWaveform(sound):
                utterance = _utterance(state.recognizer.Result())
                state.last_partial = ""
                if utterance["text"]:
                    finals.append(utterance)
            elif sound:
                text = str(json.loads(state.recognizer.PartialResult()).get("partial", ""))
                if text != state.last_partial:
                    partial = state.last_partial = text
            return {"finals": finals, "partial": partial, "seconds": state.seconds}

    def finish(self, stream: str) -> dict[str, Any]:
        """The last utterance; the stream is gone afterwards."""
        state = self._stream(stream)
        with state.lock:
            sound = state.resampler.feed(b"", last=True)
            finals = []
            if sound and state.recognizer.AcceptWaveform(sound):
                finals.append(_utterance(state.recognizer.Result()))
            finals.append(_utterance(state.recognizer.FinalResult()))
        self.close_stream(stream)
        return {"finals": [utterance for utterance in finals if utterance["text"]], "partial": None, "seconds": state.seconds}

    def close_stream(self, stream: str) -> None:
        with self._lock:
            self._streams.pop(stream, None)

    def open_streams(self) -> int:
        return len(self._streams)

    def _stream(self, stream: str) -> _Stream:
        state = self._streams.get(stream)
        if state is None:
            raise ProviderError("The recogniser was restarted in the middle of the speech", code="stt_stream_lost")
        return state

    def _recognizer(self, *, words: bool) -> Any:
        recognizer = self._vosk.KaldiRecognizer(self._model, float(RATE))
        recognizer.SetWords(words)
        return recognizer


def _utterance(result: str) -> dict[str, Any]:
    data = json.loads(result)
    words = [
        {"text": word["word"], "start": word["start"], "end": word["end"], "probability": word.get("conf")}
        for word in data.get("result", ())
    ]
    return {"text": str(data.get("text", "")).strip(), "words": words}
