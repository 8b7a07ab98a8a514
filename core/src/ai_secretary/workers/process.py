"""One run of a worker process: spawn, handshake, requests by id, output as log lines, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from typing import Any

import structlog

from ai_secretary.workers.frames import (
    Cancel,
    End,
    Failure,
    FrameBuffer,
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
)

log = structlog.get_logger(__name__)

_KEPT = (
    "PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "VIRTUAL_ENV",
    "XDG_CACHE_HOME", "HF_HOME", "SSL_CERT_FILE", "SYSTEMROOT",
)  # fmt: skip
"""What of the server's environment a worker sees: no settings, no secrets."""

_LINE = 2000
_LINES_PER_MINUTE = 200


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    # Spinning OpenMP threads of several engines starve each other on few cores.
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {**kept, "OMP_WAIT_POLICY": "PASSIVE", **extra}


class Receiver:
    """Where the answer to one request arrives: items in order, then `done`."""

    __slots__ = ("_waiter", "closed", "failure", "items", "value")

    def __init__(self) -> None:
        self.items: deque[tuple[Any, int]] = deque()
        self.value: Any = None
        self.failure: Failure | str | None = None
        """A failed method, or in words why the process ended."""
        self.closed = False
        self._waiter: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Until there is an item or the end."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Pipe(asyncio.Protocol):
    def __init__(self, child: ChildProcess) -> None:
        self._child = child
        self._buffer = FrameBuffer()

    def data_received(self, data: bytes) -> None:
        try:
            for frame, size in self._buffer.feed(data):
                self._child.received(frame, size)
        except ValueError as error:  # msgspec's DecodeError is one
            self._child.kill(f"it sent something unreadable: {error}")

    def pause_writing(self) -> None:
        self._child.writable.clear()

    def resume_writing(self) -> None:
        self._child.writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._child.disconnected()


class _Output(asyncio.Protocol):
    """Stray prints of an engine: log lines at debug level, bounded in length and number."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._rest = b""
        self._minute = 0.0
        self._count = 0
        self.tail: deque[str] = deque(maxlen=10)
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LINE]
        for line in lines:
            self._line(line)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest:
            self._line(self._rest)
        if not self.closed.done():
            self.closed.set_result(None)

    def _line(self, line: bytes) -> None:
        text = line[:_LINE].decode("utf-8", "replace").rstrip()
        if not text:
            return
        self.tail.append(text)
        now = asyncio.get_running_loop().time()
        if now - self._minute >= 60:
            self._minute, self._count = now, 0
        self._count += 1
        if self._count <= _LINES_PER_MINUTE:
            log.debug("worker_output", worker=self._name, line=text)
        elif self._count == _LINES_PER_MINUTE + 1:
            log.warning("worker_output_dropped", worker=self._name, lines_per_minute=_LINES_PER_MINUTE)


class ChildProcess:
    """Made by `spawn`; used until `ended` is done."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Why the process ended, in words, once it has."""
        self.ready: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        """None, or why the engine could not be constructed."""
        self.writable = asyncio.Event()
        self.writable.set()
        self.pending: dict[int, Receiver] = {}
        self.abandoned: dict[int, float] = {}
        """Cancelled requests that still run over there, with the time of their cancellation."""
        self.last_used = self.last_heard = asyncio.get_running_loop().time()
        self._next_id = 0
        self._why = ""
        self._disconnected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def spawn(
        cls, name: str, target: str, params: Mapping[str, Any], env: Mapping[str, str], concurrency: int
    ) -> ChildProcess:
        """Start the process and send what to construct; `ready` tells when it is."""
        child = cls(name)
        ours, theirs = socket.socketpair()
        try:
            child._process = child._popen(theirs.fileno(), environment(env))
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        loop = asyncio.get_running_loop()
        ours.setblocking(False)
        try:
            transport, _ = await loop.create_unix_connection(lambda: _Pipe(child), sock=ours)
            child._transport = transport
            child._output_transport, child._output = await loop.connect_read_pipe(lambda: _Output(name), child._process.stdout)
        except BaseException:
            ours.close()
            child.kill("its start was given up")
            child._process.wait()
            raise
        child._watch_exit()
        child.write(Init(target, dict(params), concurrency))
        return child

    _process: subprocess.Popen[bytes]
    _transport: asyncio.Transport
    _output_transport: asyncio.ReadTransport
    _output: _Output
    _pidfd: int = -1
    _concluding: asyncio.Task[None]

    @staticmethod
    def _popen(descriptor: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
        # On the loop's own thread: the kernel's death signal is bound to the thread that spawns, and pool threads end.
        python = [sys.executable, "-P", "-u", "-X", "utf8", "-m"]
        return subprocess.Popen(
            [*python, "ai_secretary.workers.child", str(descriptor), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[descriptor],
            env=env,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output_tail(self) -> list[str]:
        return list(self._output.tail)

    def rss_bytes(self) -> int:
        """Resident memory; 0 when it cannot be told."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            return 0

    # ---- requests ----

    def write(self, frame: ToChild) -> None:
        """Raises TypeError or ValueError for values that cannot be sent; silently nothing after the end."""
        data = encode(frame)
        if not self._transport.is_closing():
            self._transport.write(data)

    def open(self, method: str, params: dict[str, Any], window: int) -> tuple[int, Receiver]:
        self._next_id += 1
        request_id = self._next_id
        receiver = Receiver()
        if self.ended.done():
            receiver.failure, receiver.closed = self.ended.result(), True
        self.write(Request(request_id, method, params, window))
        self.pending[request_id] = receiver
        self.last_used = asyncio.get_running_loop().time()
        return request_id, receiver

    def close(self, request_id: int) -> None:
        """The reader goes away; cancels what still runs."""
        receiver = self.pending.pop(request_id, None)
        if receiver is not None and not receiver.closed:
            self.abandoned[request_id] = asyncio.get_running_loop().time()
            self.write(Cancel(request_id))

    def ping(self) -> None:
        self.write(Ping())

    def received(self, frame: FromChild, size: int) -> None:
        self.last_heard = asyncio.get_running_loop().time()
        if isinstance(frame, Item):
            if (receiver := self.pending.get(frame.id)) is not None:
                receiver.items.append((frame.value, size))
                receiver.wake()
        elif isinstance(frame, Result | End | Failure):
            self._finished(frame)
        elif isinstance(frame, Ready) and not self.ready.done():
            self.ready.set_result(None)
        elif isinstance(frame, Pong):
            pass

    def _finished(self, frame: Result | End | Failure) -> None:
        if isinstance(frame, Failure) and frame.id == 0:
            if not self.ready.done():
                self.ready.set_result(frame)
            return
        self.last_used = self.last_heard
        self.abandoned.pop(frame.id, None)
        receiver = self.pending.get(frame.id)
        if receiver is not None:
            if isinstance(frame, Result):
                receiver.value = frame.value
            elif isinstance(frame, Failure):
                receiver.failure = frame
            receiver.closed = True
            receiver.wake()

    # ---- the end ----

    def kill(self, why: str) -> None:
        """End it at once, with everything that it started."""
        self._why = self._why or why
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def stop(self, grace_s: float) -> None:
        """Ask it to finish; kill it after `grace_s` seconds."""
        self._why = self._why or "stopped"
        self.write(Stop(grace_s * 0.8))
        try:
            await asyncio.wait_for(asyncio.shield(self.ended), grace_s)
        except TimeoutError:
            self.kill("stopped")
            await self.ended
        except asyncio.CancelledError:
            self.kill("stopped")
            raise

    def disconnected(self) -> None:
        if not self._disconnected.done():
            self._disconnected.set_result(None)
        if self._process.returncode is None and not self.ended.done():
            asyncio.get_running_loop().call_later(2.0, self.kill, "it closed its pipe")

    def _watch_exit(self) -> None:
        loop = asyncio.get_running_loop()
        if hasattr(os, "pidfd_open"):
            self._pidfd = os.pidfd_open(self._process.pid)
            loop.add_reader(self._pidfd, self._exited)
        else:  # not Linux: look often enough
            loop.call_later(0.05, self._poll)

    def _poll(self) -> None:
        if self._process.poll() is None:
            asyncio.get_running_loop().call_later(0.05, self._poll)
        else:
            self._exited()

    def _exited(self) -> None:
        loop = asyncio.get_running_loop()
        if self._pidfd >= 0:
            loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        with contextlib.suppress(ProcessLookupError, PermissionError):  # before it is reaped, its id cannot be another's
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self._concluding = loop.create_task(self._conclude(code), name=f"worker-end:{self.name}")

    async def _conclude(self, code: int) -> None:
        # What it said last is still in the pipes.
        await asyncio.wait([self._disconnected, self._output.closed], timeout=1.0)
        why = self._why or (_signal_name(-code) if code < 0 else f"exit status {code}")
        self._transport.abort()
        self._output_transport.close()
        if not self.ended.done():
            self.ended.set_result(why)
        for receiver in self.pending.values():
            if not receiver.closed:
                receiver.failure = why
                receiver.closed = True
                receiver.wake()
        self.pending.clear()
        self.abandoned.clear()
        self.writable.set()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
