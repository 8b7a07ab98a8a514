"""The worker's side: runs an engine's methods for the process beyond the pipe.

Started as `python -m ai_secretary.workers.child <file descriptor of the pipe> <parent pid>`. The main thread reads; methods run
in a pool of threads. End of file means that the parent is gone, and so are we.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import inspect
import os
import queue
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from ai_secretary import errors
from ai_secretary.workers.frames import (
    LENGTH,
    Cancel,
    Credit,
    End,
    Failure,
    FromChild,
    Init,
    Item,
    Ping,
    Pong,
    Ready,
    Request,
    Result,
    Stop,
    ToChild,
    encode,
    to_child,
)

_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Ask the kernel to kill this process with its parent (Linux); elsewhere the end of the pipe does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)


def resolve(target: str) -> Callable[..., Any]:
    """The class behind `package.module:Class`."""
    module_name, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found  # type: ignore[no-any-return]


def failure_of(request_id: int, error: BaseException) -> Failure:
    """An error as it crosses the pipe: ours keep their class, code and hint; others become a line of text."""
    trace = "".join(traceback.format_exception(error))[-8000:]
    if isinstance(error, errors.SecretaryError):
        params = {key: value if isinstance(value, str | int | float) else str(value) for key, value in error.params.items()}
        kind = type(error).__name__ if hasattr(errors, type(error).__name__) else ""
        return Failure(request_id, kind, error.template, params, error.code, error.hint, error.field, trace)
    line = {"error_type": type(error).__name__, "error": str(error)[:1000]}
    return Failure(request_id, "", "{error_type}: {error}", line, "", "", None, trace)


class LinkClosed(Exception):
    """The parent is gone; the reading thread will end this process."""


class Link:
    """Frames over the socket; writing is safe from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = connection.makefile("rb", buffering=1 << 16)
        self._lock = threading.Lock()

    def read(self) -> ToChild | None:
        """The next frame, None at the end of the pipe."""
        head = self._reader.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return None
        (size,) = LENGTH.unpack(head)
        body = self._reader.read(size)
        return to_child.decode(body) if len(body) == size else None

    def send(self, frame: FromChild) -> int:
        """Bytes written. Raises TypeError or ValueError, with nothing written, for a value that cannot be sent."""
        data = encode(frame)
        try:
            with self._lock:
                self._connection.sendall(data)
        except OSError as error:
            raise LinkClosed from error
        return len(data) - LENGTH.size


class Running:
    """One request under way."""

    __slots__ = ("_changed", "cancelled", "request", "window")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cancelled = threading.Event()
        self.window = request.window
        self._changed = threading.Condition()

    def cancel(self) -> None:
        self.cancelled.set()
        with self._changed:
            self._changed.notify_all()

    def give(self, size: int) -> None:
        with self._changed:
            self.window += size
            self._changed.notify_all()

    def may_send(self) -> bool:
        """Wait until the reader has room. False: cancelled."""
        with self._changed:
            while self.window <= 0 and not self.cancelled.is_set():
                self._changed.wait()
        return not self.cancelled.is_set()

    def sent(self, size: int) -> None:
        with self._changed:
            self.window -= size


class Host:
    """The engine and the threads that run its methods."""

    def __init__(self, link: Link, engine: object, concurrency: int) -> None:
        self._link = link
        self._engine = engine
        self._concurrency = concurrency
        self._waiting: queue.SimpleQueue[Running] = queue.SimpleQueue()
        self._running: dict[int, Running] = {}
        self._free = 0
        self._threads = 0
        self._lock = threading.Lock()

    def serve(self) -> float | None:
        """Read until told to stop (gives the grace, seconds) or until the parent is gone (None)."""
        while (frame := self._link.read()) is not None:
            if isinstance(frame, Request):
                self._begin(frame)
            elif isinstance(frame, Credit):
                if (running := self._running.get(frame.id)) is not None:
                    running.give(frame.size)
            elif isinstance(frame, Cancel):
                if (running := self._running.get(frame.id)) is not None:
                    running.cancel()
            elif isinstance(frame, Ping):
                with contextlib.suppress(LinkClosed):
                    self._link.send(Pong())
            elif isinstance(frame, Stop):
                return frame.grace_s
        return None

    def stop(self, grace_s: float) -> None:
        """Cancel what runs, wait for it up to `grace_s`, and let the engine close itself."""
        deadline = time.monotonic() + grace_s
        for running in list(self._running.values()):
            running.cancel()
        while self._running and time.monotonic() < deadline:
            time.sleep(0.005)
        close = getattr(self._engine, "close", None)
        if callable(close):
            close()

    def _begin(self, request: Request) -> None:
        running = self._running[request.id] = Running(request)
        with self._lock:
            grow = self._free == 0 and self._threads < self._concurrency
            if grow:
                self._threads += 1
            else:
                self._free -= self._free > 0
                self._waiting.put(running)
        if grow:
            threading.Thread(target=self._work, args=(running,), name=f"method-{self._threads}", daemon=True).start()

    def _work(self, running: Running) -> None:
        while True:
            self._run(running)
            with self._lock:
                try:
                    running = self._waiting.get_nowait()
                    continue
                except queue.Empty:
                    self._free += 1
            running = self._waiting.get()

    def _run(self, running: Running) -> None:
        request_id = running.request.id
        try:
            last = None if running.cancelled.is_set() else self._execute(running)
            if last is None or running.cancelled.is_set():  # perhaps cut short, so no result; only a stop makes anyone hear of it
                raise errors.ProviderError("The engine was stopped", code="worker_stopped")
            self._link.send(last)
        except LinkClosed:
            pass
        except BaseException as error:
            with contextlib.suppress(LinkClosed):
                self._link.send(failure_of(request_id, error))
        finally:
            self._running.pop(request_id, None)

    def _execute(self, running: Running) -> FromChild:
        request = running.request
        method = None if request.method.startswith("_") else getattr(self._engine, request.method, None)
        if not callable(method):
            raise errors.ProviderError("The engine has no method {method}", code="worker_method", method=request.method)
        params = request.params
        if "cancelled" not in params and _takes_cancelled(method):
            params = {**params, "cancelled": running.cancelled}
        value = method(**params)
        if not request.window:
            return Result(request.id, value)
        if not inspect.isgenerator(value):
            raise errors.ProviderError("The method {method} is no stream", code="worker_method", method=request.method)
        self._stream(running, value)
        return End(request.id)

    def _stream(self, running: Running, items: Iterator[Any]) -> None:
        with contextlib.closing(items):  # type: ignore[type-var]  # a generator, checked by the caller
            for item in items:
                if not running.may_send():
                    return
                running.sent(self._link.send(Item(running.request.id, item)))


_takes: dict[Any, bool] = {}


def _takes_cancelled(method: Callable[..., Any]) -> bool:
    key = getattr(method, "__func__", method)
    found = _takes.get(key)
    if found is None:
        found = _takes[key] = "cancelled" in inspect.signature(method).parameters
    return found


def main() -> NoReturn:
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    die_with(parent)
    os.set_inheritable(descriptor, False)  # programs that an engine starts must not hold the pipe open
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the parent's to handle
    with socket.socket(fileno=descriptor) as connection:
        link = Link(connection)
        init = link.read()
        if not isinstance(init, Init):
            os._exit(1)
        try:
            engine = resolve(init.target)(**init.params)
        except BaseException as error:
            link.send(failure_of(0, error))
            os._exit(1)
        link.send(Ready())
        host = Host(link, engine, init.concurrency)
        grace = host.serve()
        if grace is None:
            if os.getpgrp() == os.getpid():  # ours alone: what the engine started goes with us
                os.killpg(0, signal.SIGKILL)
            os._exit(1)
        try:
            host.stop(grace)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


if __name__ == "__main__":
    main()
