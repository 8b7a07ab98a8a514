"""Engines that the worker tests run in real processes."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_secretary.errors import InvalidInput


class Engine:
    def __init__(self, trace: str = "", greeting: str = "hello") -> None:
        self.greeting = greeting
        self._trace = Path(trace) if trace else None
        print("engine constructed")

    def _note(self, text: str) -> None:
        if self._trace is not None:
            with self._trace.open("a") as file:
                file.write(text + "\n")

    def greet(self, name: str) -> str:
        return f"{self.greeting}, {name}"

    def echo(self, value: Any) -> Any:
        return value

    def pid(self) -> int:
        return os.getpid()

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def command_line(self) -> list[str]:
        return Path("/proc/self/cmdline").read_text().split("\0")

    def count(self, n: int, pause: float = 0.0) -> Iterator[int]:
        try:
            for number in range(n):
                time.sleep(pause)
                yield number
        finally:
            self._note(f"closed after {n}")

    def blocks(self, n: int, size: int) -> Iterator[bytes]:
        for number in range(n):
            self._note(f"block {number}")
            yield bytes([number % 256]) * size

    def refuse(self) -> None:
        raise InvalidInput(
            "Speed is {speed}, between 0.25 and 4 was expected", code="speed_range", hint="Choose another.", speed=9
        )

    def fail(self) -> None:
        raise RuntimeError("the engine is out of steam")

    def fail_midway(self) -> Iterator[int]:
        yield 1
        raise RuntimeError("midway")

    def missing_file(self) -> None:
        open("/nonexistent/model.onnx").close()

    def unspeakable(self) -> object:
        return threading.Lock()

    def sleep(self, seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    def wait_cancelled(self, cancelled: threading.Event, seconds: float) -> None:
        self._note("cancelled" if cancelled.wait(seconds) else "ran out")

    def meet(self, n: int) -> int:
        """Returns when `n` callers are here at once."""
        global barrier
        with barrier_lock:
            if barrier is None:
                barrier = threading.Barrier(n)
        return barrier.wait(2)

    def segfault(self) -> None:
        ctypes.string_at(0)

    def die(self) -> None:
        os._exit(3)

    def shout(self, lines: int) -> str:
        for number in range(lines):
            print(f"noise {number} " + "x" * 5000)
        print("to the other stream", file=sys.stderr)
        return "done"

    def grow(self, megabytes: int) -> int:
        self._hoard = os.urandom(1) * (megabytes * 1024 * 1024)
        return len(self._hoard)

    def hold_interpreter(self, seconds: int) -> None:
        """Sleeps in C without giving up the interpreter lock: nothing else of this process runs."""
        ctypes.PyDLL(None).usleep(seconds * 1_000_000)

    def start_program(self) -> int:
        import subprocess

        return subprocess.Popen(["sleep", "600"]).pid

    def close(self) -> None:
        self._note("engine closed")


barrier: threading.Barrier | None = None
barrier_lock = threading.Lock()


class Broken:
    def __init__(self) -> None:
        raise InvalidInput("The model file is missing", code="model_missing", hint="Download it again.")


class Crashing:
    def __init__(self) -> None:
        os._exit(7)


class Slow:
    def __init__(self) -> None:
        time.sleep(30)


class Flaky:
    """Cannot be constructed until a file appears."""

    def __init__(self, flag: str) -> None:
        if not Path(flag).exists():
            raise RuntimeError("not yet")

    def greet(self) -> str:
        return "here"
