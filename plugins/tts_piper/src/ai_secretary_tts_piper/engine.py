"""Runs in the worker process: Piper's models, loaded and unloaded, and sentences made one after another."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ai_secretary.errors import ProviderError

if TYPE_CHECKING:
    from piper import PiperVoice

_SENTENCE_ENDS = (".", "!", "?", "…", ":", ";")


class PiperEngine:
    """`parallel` sentences are made at once; further ones wait their turn, so that a long text does not hold up a short one."""

    def __init__(self, parallel: int) -> None:
        import onnxruntime  # type: ignore[import-untyped]  # noqa: F401 - loading it here makes the process `ready` only when it can really start
        import piper  # noqa: F401

        self._turns = threading.Semaphore(parallel)
        self._voices: OrderedDict[str, tuple[int, PiperVoice]] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def load(self, model: str, threads: int, keep: int) -> list[str]:
        """Load a voice. Gives the model paths that are in memory now, oldest first."""
        self._voice(model, threads, keep)
        with self._lock:
            return list(self._voices)

    def unload(self, model: str) -> list[str]:
        with self._lock:
            self._voices.pop(model, None)
            return list(self._voices)

    def synthesize(
        self,
        model: str,
        threads: int,
        keep: int,
        text: str,
        speaker: int | None,
        length_scale: float,
        noise_scale: float,
        noise_w: float,
        volume: float,
        silence_s: float,
        cancelled: threading.Event,
    ) -> Iterator[list[str] | bytes]:
        """First the model paths that are in memory, then PCM (int16, mono) sentence by sentence."""
        from piper import SynthesisConfig

        voice = self._voice(model, threads, keep)
        with self._lock:
            loaded = list(self._voices)
        yield loaded
        config = SynthesisConfig(
            speaker_id=speaker, length_scale=length_scale, noise_scale=noise_scale, noise_w_scale=noise_w, volume=volume
        )
        pause = b"\0\0" * int(silence_s * voice.config.sample_rate)
        sentences = iter(voice.synthesize(text, config))
        waiting = b""
        while True:
            with self._turns:
                if cancelled.is_set():
                    return
                chunk = next(sentences, None)
            if chunk is None:
                break
            if waiting:
                yield waiting
            yield chunk.audio_int16_bytes
            waiting = pause
        if waiting and text.rstrip(" \n\t\"'»”)").endswith(_SENTENCE_ENDS):
            yield waiting

    def _voice(self, model: str, threads: int, keep: int) -> PiperVoice:
        found = self._find(model, threads)
        if found is not None:
            return found
        with self._loading:  # one at a time: two loads at once take longer than one after the other
            found = self._find(model, threads)
            if found is None:
                found = _read(model, threads)
                with self._lock:
                    self._voices[model] = (threads, found)
                    self._voices.move_to_end(model)
                    while len(self._voices) > keep:
                        self._voices.popitem(last=False)
            return found

    def _find(self, model: str, threads: int) -> PiperVoice | None:
        with self._lock:
            entry = self._voices.get(model)
            if entry is None or entry[0] != threads:
                return None
            self._voices.move_to_end(model)
            return entry[1]


def _read(model: str, threads: int) -> PiperVoice:
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # spinning starves the other engines
    options.log_severity_level = 3
    try:
        with open(f"{model}.json", encoding="utf-8") as file:
            description: dict[str, Any] = json.load(file)
        session = onnxruntime.InferenceSession(model, sess_options=options, providers=["CPUExecutionProvider"])
        return PiperVoice(session=session, config=PiperConfig.from_dict(description))
    except Exception as error:  # onnxruntime raises classes of its own for every kind of broken file
        raise ProviderError(
            "The voice file cannot be loaded: {reason}",
            code="piper_voice_broken",
            reason=f"{type(error).__name__}: {error}"[:300],
            hint="Download the voice again, or delete it.",
        ) from error
