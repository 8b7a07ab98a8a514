"""A worker: an engine behind a process boundary that starts at the first call and comes back by itself after a crash."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, Literal

import structlog

from ai_secretary import errors
from ai_secretary.errors import ProviderError, SecretaryError
from ai_secretary.i18n import N_
from ai_secretary.workers.frames import Credit, Failure
from ai_secretary.workers.process import ChildProcess, Receiver

log = structlog.get_logger(__name__)

WorkerState = Literal["stopped", "starting", "ready", "restarting", "failed"]
OnState = Callable[[WorkerState, str], None]

_WINDOW = 256 * 1024
"""Bytes of stream items that may be under way unread; one item may exceed it."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 30.0
_MOST_FAILURES = 5
"""After so many in a row a worker waits for a call before it tries again."""
_STABLE_S = 30.0
"""A process that lived so long has earned a fresh count of failures."""
_PATIENCE_S = 3.0
"""A call waits so long for the end of a pause; a longer one is an error that says when to come again."""


class WorkerError(ProviderError):
    """Codes: `worker_crashed`, `worker_start_failed`, `worker_restarting`, `worker_timeout`, `worker_stopped`, `worker_method`
    (no such method), `worker_error` (the method failed)."""

    default_code = "worker_error"


class Worker:
    """Runs `target` (`"package.module:Class"`, constructed as `Class(**init)`) in a process of its own.

    Every public method may be called; a generator method is a stream. Methods run in threads, up to `concurrency` at once. One
    that accepts `cancelled` gets a `threading.Event` that is set when nobody waits for it any more. `close()`, where there is
    one, is called before a clean end. Parameters and values are what msgpack knows, bytes included.

    `start_timeout_s` covers the construction. `idle_stop_s`: end the process after so long without a call. `hang_s`: a process
    that answers no heartbeat for so long is killed. `max_rss_mb`: a process beyond it is replaced when it has nothing to do, and
    at once when beyond a quarter more. `on_state` hears of every change of state, on the loop.
    """

    def __init__(
        self,
        target: str,
        *,
        name: str,
        init: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        start_timeout_s: float = 60,
        idle_stop_s: float | None = None,
        on_state: OnState | None = None,
        concurrency: int = 8,
        stop_timeout_s: float = 5.0,
        heartbeat_s: float = 5.0,
        hang_s: float = 60.0,
        max_rss_mb: int | None = None,
    ) -> None:
        self.name = name
        self.state: WorkerState = "stopped"
        self.reason = ""
        self.restarts = 0
        """How often the process had to be replaced since the worker was made."""
        self._target = target
        self._init = dict(init or {})
        self._env = dict(env or {})
        self._start_timeout_s = start_timeout_s
        self._idle_stop_s = idle_stop_s
        self._on_state = on_state
        self._concurrency = concurrency
        self._stop_timeout_s = stop_timeout_s
        self._heartbeat_s = heartbeat_s
        self._hang_s = hang_s
        self._max_rss = max_rss_mb * 1024 * 1024 if max_rss_mb else None
        self._child: ChildProcess | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[ChildProcess]] = []
        self._failures = 0
        self._retry_at = 0.0

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None else None

    @property
    def retry_in(self) -> float:
        """Seconds until a failed worker will try again when it is called; 0: at the next call."""
        return max(0.0, self._retry_at - time.monotonic())

    @property
    def active(self) -> int:
        """Requests under way in the process."""
        return len(self._child.pending) + len(self._child.abandoned) if self._child is not None else 0

    async def start(self) -> None:
        """Start the process and wait until the engine is constructed. Raises `WorkerError`."""
        self._retry_at = 0.0
        await self._ready_child()

    async def stop(self) -> None:
        """End the process, within `stop_timeout_s`; a later call starts it again. Pending calls fail with `worker_stopped`."""
        supervisor, self._supervisor = self._supervisor, None
        if supervisor is not None:
            supervisor.cancel()
            await asyncio.wait([supervisor])
        child, self._child = self._child, None
        if child is not None and not child.ended.done():
            await child.stop(self._stop_timeout_s)
        self._failures = 0
        self._retry_at = 0.0
        self._enter("stopped")
        self._settle(WorkerError("The engine {worker} was stopped", code="worker_stopped", worker=self.name))

    async def restart(self) -> None:
        """A fresh process (after its settings changed)."""
        await self.stop()
        await self.start()

    async def call(self, method: str, /, **params: Any) -> Any:
        """What the method returns. Raises the `SecretaryError` that it raised, `WorkerError` for anything else."""
        return await self._call(method, params, None)

    def stream(self, method: str, /, **params: Any) -> AsyncGenerator[Any, None]:
        """The items of a generator method as they come. Closing the iterator closes the generator over there."""
        return self._stream(method, params, None)

    def within(self, seconds: float) -> Bounded:
        """The same worker with a deadline: for a call its whole time, for a stream the time to each item.

        Past it, the caller gets `worker_timeout` and the method is cancelled; a method that does not even end then is a hang,
        and the process is replaced.
        """
        return Bounded(self, seconds)

    # ---- requests ----

    async def _call(self, method: str, params: dict[str, Any], deadline: float | None) -> Any:
        child = await self._ready_child()
        request_id, receiver = child.open(method, params, 0)
        try:
            await self._arrival(child, receiver, deadline, request_id)
            if receiver.failure is not None:
                raise self._error(receiver.failure)
            return receiver.value
        finally:
            child.close(request_id)

    async def _stream(self, method: str, params: dict[str, Any], deadline: float | None) -> AsyncGenerator[Any, None]:
        child = await self._ready_child()
        request_id, receiver = child.open(method, params, _WINDOW)
        taken = 0
        try:
            while True:
                while not receiver.items and not receiver.closed:
                    await self._arrival(child, receiver, deadline, request_id)
                if receiver.items:
                    value, size = receiver.items.popleft()
                    taken += size
                    if taken >= _WINDOW // 4 and not receiver.closed:
                        child.write(Credit(request_id, taken))
                        taken = 0
                    yield value
                elif receiver.failure is not None:
                    raise self._error(receiver.failure)
                else:
                    return
        finally:
            child.close(request_id)

    async def _arrival(self, child: ChildProcess, receiver: Receiver, deadline: float | None, request_id: int) -> None:
        if receiver.closed:
            return
        if deadline is None:
            await receiver.wait()
            return
        try:
            async with asyncio.timeout(deadline):
                await receiver.wait()
        except TimeoutError:
            child.close(request_id)
            asyncio.get_running_loop().call_later(1.0, self._still_running, child, request_id)
            raise WorkerError(
                "The engine {worker} did not answer within {seconds:g} s",
                code="worker_timeout",
                worker=self.name,
                seconds=deadline,
            ) from None

    def _still_running(self, child: ChildProcess, request_id: int) -> None:
        if request_id in child.abandoned and not child.ended.done():
            child.kill("a method hangs")

    def _error(self, failure: Failure | str) -> SecretaryError:
        if isinstance(failure, str):
            code = "worker_stopped" if failure == "stopped" else "worker_crashed"
            text = N_("The engine {worker} ended while it worked ({reason})")
            return WorkerError(text, code=code, worker=self.name, reason=failure)
        if not failure.kind and not failure.code:
            log.warning("worker_method_failed", worker=self.name, trace=failure.traceback)
            text = failure.template.format(**failure.params)
            return WorkerError("The engine {worker} failed: {reason}", worker=self.name, reason=text)
        found = getattr(errors, failure.kind, None) if failure.kind else None
        kind = found if isinstance(found, type) and issubclass(found, SecretaryError) else WorkerError
        if failure.code.startswith("worker_"):
            kind = WorkerError
        return kind(failure.template, code=failure.code, hint=failure.hint, field=failure.field, **failure.params)

    # ---- life ----

    async def _ready_child(self) -> ChildProcess:
        child = self._child
        if child is not None and self.state == "ready" and not child.ended.done():
            if not child.writable.is_set():  # it has not yet read what it was sent before
                await child.writable.wait()
            return child
        loop = asyncio.get_running_loop()
        pause = self.retry_in
        if self.state in ("restarting", "failed") and pause > (_PATIENCE_S if self.state == "restarting" else 0):
            raise WorkerError(
                "The engine {worker} is not running: {reason}",
                code="worker_restarting" if self.state == "restarting" else "worker_start_failed",
                retry_after=round(pause, 1),
                worker=self.name,
                reason=self.reason,
            )
        waiter: asyncio.Future[ChildProcess] = loop.create_future()
        self._waiters.append(waiter)
        if self._supervisor is None or self._supervisor.done():
            self._supervisor = loop.create_task(self._supervise(), name=f"worker:{self.name}")
        try:
            return await waiter
        finally:
            if waiter in self._waiters:  # cancelled
                self._waiters.remove(waiter)

    async def _supervise(self) -> None:
        """Start, watch, and start again, until told to stop, idle, or beyond hope for now."""
        loop = asyncio.get_running_loop()
        was_ready = False
        while True:
            self._enter("restarting" if was_ready else "starting", self.reason if was_ready else "")
            started = loop.time()
            try:
                child = await self._launch()
            except WorkerError as error:
                self._failures += 1
                self._retry_at = time.monotonic() + self._pause()
                again = was_ready and self._failures < _MOST_FAILURES
                self._enter("restarting" if again else "failed", str(error.params["reason"]))
                self._settle(error)
                if not again:
                    return
                await asyncio.sleep(self.retry_in)
                continue
            was_ready = True
            self._retry_at = 0.0
            self._child = child
            self._enter("ready")
            self._settle(child)
            if await self._watch(child):
                self._child = None
                self._enter("stopped")
                if self._waiters:  # asked again while it was ending
                    was_ready = False
                    continue
                return
            why = child.ended.result()
            self._child = None
            self.restarts += 1
            self._failures = 1 if loop.time() - started > _STABLE_S else self._failures + 1
            self._retry_at = time.monotonic() + self._pause()
            log.warning("worker_crashed", worker=self.name, reason=why, output=child.output_tail, restart_in=self._pause())
            self._enter("restarting", why)
            await asyncio.sleep(self.retry_in)

    def _pause(self) -> float:
        pause = min(_FIRST_PAUSE_S * 2.0 ** (self._failures - 1), _LONGEST_PAUSE_S)
        return pause * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret

    async def _launch(self) -> ChildProcess:
        child = await ChildProcess.spawn(self.name, self._target, self._init, self._env, self._concurrency)
        try:
            first: set[asyncio.Future[Any]] = {child.ready, child.ended}
            await asyncio.wait(first, timeout=self._start_timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if child.ready.done():
                failure = child.ready.result()
                if failure is None:
                    return child
                reason = failure.template.format(**failure.params)
                log.warning("worker_start_failed", worker=self.name, trace=failure.traceback)
                hint = failure.hint
            elif child.ended.done():
                reason, hint = child.ended.result(), ""
                log.warning("worker_start_failed", worker=self.name, reason=reason, output=child.output_tail)
            else:
                reason, hint = f"not ready after {self._start_timeout_s:g} s", ""
        except asyncio.CancelledError:
            child.kill("stopped")
            await child.ended
            raise
        child.kill(reason)
        await child.ended
        raise WorkerError(
            "The engine {worker} cannot start: {reason}", code="worker_start_failed", hint=hint, worker=self.name, reason=reason
        )

    async def _watch(self, child: ChildProcess) -> bool:
        """Until the process ends. True: we ended it on purpose because it was idle or to give memory back."""
        loop = asyncio.get_running_loop()
        unanswered = 0
        while not child.ended.done():
            asked = loop.time()
            child.ping()
            await asyncio.wait({child.ended}, timeout=self._heartbeat_s)
            if child.ended.done():
                return False
            now = loop.time()
            # Counted in pings and not in seconds: our own loop may have been the one that slept.
            unanswered = unanswered + 1 if child.last_heard < asked else 0
            if unanswered * self._heartbeat_s >= self._hang_s:
                child.kill("it answers no heartbeat")
                await child.ended
                return False
            idle = not child.pending and not child.abandoned
            if idle and self._idle_stop_s is not None and now - child.last_used >= self._idle_stop_s:
                await self._retire(child)
                return True
            if self._max_rss is not None:
                rss = child.rss_bytes()
                if rss > self._max_rss * 1.25 or (idle and rss > self._max_rss):
                    log.warning("worker_memory", worker=self.name, rss_mb=rss // 2**20, limit_mb=self._max_rss // 2**20)
                    if idle:
                        await self._retire(child)
                        return True
                    child.kill("it used too much memory")
        return False

    async def _retire(self, child: ChildProcess) -> None:
        self._enter("starting")  # calls that come now wait for the next process
        await child.stop(self._stop_timeout_s)

    def _enter(self, state: WorkerState, reason: str = "") -> None:
        if (state, reason) == (self.state, self.reason):
            return
        self.state, self.reason = state, reason
        log.debug("worker_state", worker=self.name, state=state, reason=reason)
        if self._on_state is not None:
            try:
                self._on_state(state, reason)
            except Exception:
                log.exception("worker_listener_failed", worker=self.name)

    def _settle(self, outcome: ChildProcess | WorkerError) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if waiter.done():
                continue
            if isinstance(outcome, ChildProcess):
                waiter.set_result(outcome)
            else:
                waiter.set_exception(outcome)


class Bounded:
    """Calls and streams of a worker with a deadline; see `Worker.within`."""

    def __init__(self, worker: Worker, seconds: float) -> None:
        self._worker = worker
        self._seconds = seconds

    async def call(self, method: str, /, **params: Any) -> Any:
        return await self._worker._call(method, params, self._seconds)

    def stream(self, method: str, /, **params: Any) -> AsyncGenerator[Any, None]:
        return self._worker._stream(method, params, self._seconds)
