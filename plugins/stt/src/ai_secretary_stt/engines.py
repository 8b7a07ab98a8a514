"""The worker processes of the loaded models, and how they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from ai_secretary.i18n import N_
from ai_secretary.plugins import TaskOwner
from ai_secretary.speech import EngineState
from ai_secretary.workers import Worker, WorkerError
from ai_secretary_stt.library import Engine, StoredModel
from ai_secretary_stt.options import SttOptions

log = structlog.get_logger(__name__)

START_TIMEOUT_S: Final = 120.0
_TARGETS: Final[dict[Engine, str]] = {
    "whisper": "ai_secretary_stt.whisper_engine:WhisperEngine",
    "vosk": "ai_secretary_stt.vosk_engine:VoskEngine",
}
_MODULES: Final[dict[Engine, str]] = {"whisper": "faster_whisper", "vosk": "vosk"}
# Idle OpenMP threads must sleep: spinning ones starve the voice and the language model on a small machine.
_ENVIRONMENT: Final = {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


@dataclass(slots=True, frozen=True)
class EngineStatus:
    state: EngineState
    reason: str = ""
    pid: int | None = None
    load_seconds: float | None = None
    """How long the model took to load, last time."""


class Engines:
    """One worker per model, made at its first use and replaced when the options change."""

    def __init__(self, options: Callable[[], SttOptions], tasks: TaskOwner, on_change: Callable[[], None]) -> None:
        self._options = options
        self._tasks = tasks
        self._on_change = on_change
        self._workers: dict[str, Worker] = {}
        self._loading_since: dict[str, float] = {}
        self._load_seconds: dict[str, float] = {}
        self._missing: dict[Engine, str] = {}

    def check_libraries(self) -> None:
        """Find out (blocking) which engines' libraries are installed at all."""
        import importlib.util

        self._missing = {engine: module for engine, module in _MODULES.items() if importlib.util.find_spec(module) is None}

    def worker(self, model: StoredModel) -> Worker:
        """The worker of a model; it starts at the first call."""
        found = self._workers.get(model.id)
        if found is None:
            found = self._workers[model.id] = self._make(model)
        return found

    def _make(self, model: StoredModel) -> Worker:
        options = self._options()
        init: dict[str, object] = {"path": str(model.path)}
        if model.engine == "whisper":
            init |= {"threads": options.threads, "compute_type": options.compute_type}
        idle = options.unload_after_minutes * 60

        def changed(state: str, _reason: str) -> None:
            if state in {"starting", "restarting"}:
                self._loading_since.setdefault(model.id, time.monotonic())
            elif (since := self._loading_since.pop(model.id, None)) is not None and state == "ready":
                self._load_seconds[model.id] = time.monotonic() - since
            self._on_change()

        return Worker(
            _TARGETS[model.engine],
            name=f"stt:{model.id}",
            init=init,
            env=_ENVIRONMENT | {"OMP_NUM_THREADS": str(options.threads)},
            start_timeout_s=START_TIMEOUT_S,
            idle_stop_s=idle or None,
            on_state=changed,
        )

    def status(self, model: StoredModel) -> EngineStatus:
        """How a model is right now; without I/O."""
        if model.engine in self._missing:
            return EngineStatus("unavailable", N_("The engine’s library is not installed. Install the speech plugin again"))
        worker = self._workers.get(model.id)
        loaded_in = self._load_seconds.get(model.id)
        if worker is None or worker.state == "stopped":
            return EngineStatus("idle", load_seconds=loaded_in)
        if worker.state in {"starting", "restarting"}:
            return EngineStatus("loading", worker.reason, worker.pid, loaded_in)
        if worker.state == "failed":
            return EngineStatus("unavailable", worker.reason, None, loaded_in)
        return EngineStatus("ready", "", worker.pid, loaded_in)

    async def warm_up(self, model: StoredModel) -> None:
        """Load a model and run it once. A failure shows in its state and is logged, not raised."""
        try:
            await self.worker(model).within(START_TIMEOUT_S).call("warm_up")
        except WorkerError as error:
            if error.code != "worker_stopped":  # somebody stopped it meanwhile
                log.warning("stt_warm_up_failed", model=model.id, error=error.message)

    async def stop(self, model_id: str) -> None:
        worker = self._workers.pop(model_id, None)
        self._loading_since.pop(model_id, None)
        if worker is not None:
            await worker.stop()

    async def stop_all(self) -> None:
        workers, self._workers = list(self._workers.values()), {}
        self._loading_since.clear()
        await asyncio.gather(*(worker.stop() for worker in workers))
