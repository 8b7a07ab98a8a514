"""One model in a process of its own: started, watched, restarted with growing pauses, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import structlog

from ai_secretary_llm_local.engine import FAILED, EngineSettings, order_line
from ai_secretary_llm_local.errors import ModelUnavailable, model_unavailable
from ai_secretary_llm_local.memory import process_memory

log = structlog.get_logger(__name__)

ProcessState = Literal["stopped", "starting", "ready", "restarting", "failed"]
Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]

START_TIMEOUT_S = 600.0
"""A large file on a slow disk takes minutes."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_STABLE_AFTER_S = 60.0
_CRASHES = 6
"""In a row, without a stable minute between them; after that only a new request tries again."""
_RETRY_FAILED_AFTER_S = 10.0
_STOP_TIMEOUT_S = 3.0
_LOG_HEAD = re.compile(r"^[\d.]+ [A-Z] +(?:\S+ +)?\S+: (?:error loading model: )*")
"""Time, level and place at the beginning of a line of llama.cpp's log."""

# What the worker may know of this process's environment: nothing secret.
_ENVIRONMENT = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "TEMP",
    "TMP",
    "SYSTEMROOT",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PYTHONPATH",
    "VIRTUAL_ENV",
)
_ENVIRONMENT_PREFIXES = ("OMP_", "GGML_", "LLAMA_", "CUDA_", "NVIDIA_", "HIP_", "ROCR_", "HSA_", "VK_")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _ENVIRONMENT or name.startswith(_ENVIRONMENT_PREFIXES)}
    # Waiting threads must sleep, not spin: a spinning one takes the core that the answer needs.
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    return kept


class EngineProcess:
    """The supervised worker of one model. Every method is called on the event loop."""

    def __init__(
        self, settings: EngineSettings, *, title: str, spawn: Spawn, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self.settings = settings
        self.title = title
        self.state: ProcessState = "stopped"
        self.failure: ModelUnavailable | None = None
        self.restarts = 0
        """Crashes since the last stable minute."""
        self.load_seconds = 0.0
        self.address = ""
        self.api_key = ""
        self._spawn = spawn
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._settled = asyncio.Event()
        self._failed_at = 0.0
        self._last_lines: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def memory(self) -> int:
        """Resident bytes, 0 if not running."""
        return process_memory(self.pid) if self.pid is not None else 0

    async def ensure_ready(self, *, retry: bool = False) -> None:
        """Start if need be and wait until the model answers. Raises `ModelUnavailable`.

        A failure is remembered for some seconds, so that a broken model costs each request nothing; `retry` tries at once.
        """
        if self.state == "ready":
            return
        if self.state == "failed" and self.failure is not None:
            if not retry and time.monotonic() - self._failed_at < _RETRY_FAILED_AFTER_S:
                raise self._again()
            self.restarts = 0
        if self._supervisor is None or self._supervisor.done():
            self._settled.clear()
            self._set("starting")
            self._supervisor = self._spawn(self._supervise(), f"engine:{self.settings.alias}")
        await self._settled.wait()
        self._raise_unless_ready()

    def _raise_unless_ready(self) -> None:
        if self.state != "ready":
            raise self._again()

    async def stop(self) -> None:
        """End the process; what it was answering breaks off."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            # Its last act is to end the process.
            supervisor.cancel()
            await asyncio.wait([supervisor], timeout=_STOP_TIMEOUT_S * 2)
        await self._end_process()
        self.restarts = 0
        self._set("stopped")
        self._settled.set()

    # ---- the supervisor ----

    async def _supervise(self) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while True:
                started = time.monotonic()
                try:
                    process = await self._launch()
                except ModelUnavailable as error:
                    self._fail(error)
                    return
                self.load_seconds = time.monotonic() - started
                self._set("ready")
                self._settled.set()
                status = await process.wait()
                self._settled.clear()
                if time.monotonic() - started >= _STABLE_AFTER_S:
                    pause, self.restarts = _FIRST_PAUSE_S, 0
                self.restarts += 1
                crash = self._crash(status)
                log.warning("model_process_ended", model=self.settings.alias, status=status, restarts=self.restarts)
                if self.restarts >= _CRASHES:
                    self._fail(crash)
                    return
                self.failure = crash
                self._set("restarting")
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
        finally:
            await self._end_process()
            if self.state not in {"failed", "stopped"}:
                self._set("stopped")
            self._settled.set()

    async def _launch(self) -> asyncio.subprocess.Process:
        self.api_key = secrets.token_urlsafe(32)
        self._last_lines.clear()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "ai_secretary_llm_local.engine",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=_environment(),
                # A session of its own: Ctrl+C in the terminal reaches the server, which stops its workers in order.
                start_new_session=True,
            )
        except OSError as error:
            raise ModelUnavailable("The model's process cannot be started: {error}", error=str(error)) from error
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        self._spawn(self._keep_last_lines(process.stderr), f"engine-log:{self.settings.alias}")
        with contextlib.suppress(ConnectionError):
            process.stdin.write(order_line(replace(self.settings, api_key=self.api_key), os.getpid()))
            await process.stdin.drain()
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                line = await process.stdout.readline()
        except TimeoutError as error:
            raise ModelUnavailable(
                "The model did not load within {minutes} minutes", minutes=round(START_TIMEOUT_S / 60),
                hint="Choose a smaller model, or put the file on a faster disk.",
            ) from error  # fmt: skip
        answer = self._parse(line)
        if "address" in answer:
            self.address = answer["address"]
            return process
        status = await process.wait()
        if status == FAILED and "error" in answer:
            raise ModelUnavailable(
                "The model cannot be loaded: {error}",
                code="model_broken",
                error=self._explain(answer["error"]),
                hint="The file may be damaged or of a kind that this version does not know. Download it again or choose another.",
            )
        raise self._crash(status)

    @staticmethod
    def _parse(line: bytes) -> dict[str, str]:
        try:
            answer = json.loads(line)
        except ValueError:
            return {}
        return {str(key): str(value) for key, value in answer.items()} if isinstance(answer, dict) else {}

    def _explain(self, error: str) -> str:
        """The engine's own words; its log says more than its exception."""
        telling = [line for line in self._last_lines if "error" in line.lower() or "failed" in line.lower()]
        words = _LOG_HEAD.sub("", telling[0]) if telling else error
        # Names of folders are nobody's business who only talks to the model.
        return words.replace(self.settings.path, Path(self.settings.path).name).strip()[:300]

    def _crash(self, status: int) -> ModelUnavailable:
        if status == -9:
            return ModelUnavailable(
                "The model's process was killed, most likely because memory ran out",
                code="model_crashed",
                hint="Choose a smaller model, a shorter context, or free memory.",
                retry_after=_FIRST_PAUSE_S,
            )
        return ModelUnavailable(
            "The model's process ended unexpectedly (status {status}) and is being restarted",
            code="model_crashed",
            status=status,
            retry_after=_FIRST_PAUSE_S,
        )

    def _fail(self, error: ModelUnavailable) -> None:
        self.failure = error
        self._failed_at = time.monotonic()
        log.warning("model_failed", model=self.settings.alias, reason=error.message, log=list(self._last_lines)[-5:])
        self._set("failed")
        self._settled.set()

    def _again(self) -> ModelUnavailable:
        """A fresh error for this caller (an exception carries the traceback of whoever raised it)."""
        failure = self.failure
        if failure is None:
            return ModelUnavailable("The model was stopped while it was loading", code="model_stopped")
        return model_unavailable(
            failure.template, failure.params, code=failure.code, hint=failure.hint, retry_after=failure.retry_after
        )

    def _set(self, state: ProcessState) -> None:
        self.state = state
        if state in {"ready", "stopped"}:
            self.failure = None
        self._on_change()

    async def _keep_last_lines(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                # A line longer than the reader's buffer; the rest of it comes next.
                continue
            if not line:
                return
            self._last_lines.append(line.decode("utf-8", "replace").rstrip())

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
