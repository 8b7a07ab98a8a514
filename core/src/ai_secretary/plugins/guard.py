"""Every call into a plugin is guarded alone: exception, deadline, circuit breaker, counters."""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog

from ai_secretary.errors import SecretaryError

log = structlog.get_logger(__name__)

FAILURES_TO_OPEN = 5
OPEN_SECONDS = 30.0


class PluginCallFailed(SecretaryError):
    """A guarded call did not come to a good end; the cause is recorded with the plugin."""

    status = 502
    default_code = "plugin_failed"


@dataclass(slots=True, frozen=True)
class Failure:
    """One failed call, kept for the Plugins page."""

    owner: str
    what: str
    message: str
    details: str
    """Traceback, for a specialist."""
    at: float
    """Seconds since the epoch."""


@dataclass(slots=True)
class Circuit:
    calls: int = 0
    failures: int = 0
    consecutive: int = 0
    open_until: float = 0.0
    seconds: float = 0.0


@dataclass(slots=True)
class Guard:
    """Shared by everything that calls plugins. `on_failure` tells the host, which may mark the plugin degraded."""

    on_failure: Callable[[Failure], None] = lambda failure: None
    on_recovery: Callable[[str, str], None] = lambda owner, what: None
    clock: Callable[[], float] = time.monotonic
    circuits: dict[tuple[str, str], Circuit] = field(default_factory=dict)
    recent: deque[Failure] = field(default_factory=lambda: deque(maxlen=200))

    async def call(
        self,
        owner: str,
        what: str,
        function: Callable[..., Any],
        *args: Any,
        timeout: float,  # noqa: ASYNC109 - the deadline is this method's purpose
        in_thread: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Call `function` with a deadline of `timeout` seconds. Raises `PluginCallFailed`, never the plugin's own error.

        `in_thread`: for synchronous functions that may block; the event loop goes on even if they never return.
        """
        circuit = self.circuits.setdefault((owner, what), Circuit())
        if circuit.open_until > self.clock():
            raise PluginCallFailed(
                "Plugin {owner} is resting after repeated failures of {what}", code="plugin_resting", owner=owner, what=what
            )
        started = self.clock()
        circuit.calls += 1
        try:
            async with asyncio.timeout(timeout):
                result: Any
                if in_thread:
                    result = await asyncio.to_thread(function, *args, **kwargs)
                else:
                    result = function(*args, **kwargs)
                if inspect.isawaitable(result):
                    result = await result
        except asyncio.CancelledError:
            raise
        except Exception as error:
            if isinstance(error, TimeoutError):
                error = TimeoutError(f"no answer within {timeout:g} s")
            self.report(owner, what, error)
            raise PluginCallFailed(
                "Plugin {owner} failed in {what}: {reason}", owner=owner, what=what, reason=str(error) or type(error).__name__
            ) from error
        finally:
            circuit.seconds += self.clock() - started
        self.succeeded(owner, what)
        return result

    def report(self, owner: str, what: str, error: BaseException) -> None:
        """Record a failure that was caught elsewhere (a stage's stream, a snapshot, a background task)."""
        circuit = self.circuits.setdefault((owner, what), Circuit())
        circuit.failures += 1
        circuit.consecutive += 1
        if circuit.consecutive >= FAILURES_TO_OPEN:
            circuit.open_until = self.clock() + OPEN_SECONDS
        details = "".join(traceback.format_exception(error))[-8000:]
        message = str(error) or type(error).__name__
        failure = Failure(owner, what, message, details, time.time())
        self.recent.append(failure)
        log.error("plugin_call_failed", owner=owner, what=what, error=f"{type(error).__name__}: {message}")
        self.on_failure(failure)

    def succeeded(self, owner: str, what: str) -> None:
        """A call that was made elsewhere came to a good end (see `report`)."""
        circuit = self.circuits.get((owner, what))
        if circuit is not None and circuit.consecutive:
            circuit.consecutive = 0
            self.on_recovery(owner, what)

    def is_resting(self, owner: str, what: str) -> bool:
        circuit = self.circuits.get((owner, what))
        return circuit is not None and circuit.open_until > self.clock()

    def forget(self, owner: str) -> None:
        for key in [key for key in self.circuits if key[0] == owner]:
            del self.circuits[key]
