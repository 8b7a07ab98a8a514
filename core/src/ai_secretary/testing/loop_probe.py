"""Whether something holds the event loop: the longest delay of a short sleep, beside that of an idle process."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

_STEP_S = 0.005
_CONTROL = f"""
import sys, threading, time
worst, going = 0.0, True
def stop():
    global going
    sys.stdin.read()
    going = False
threading.Thread(target=stop, daemon=True).start()
while going:
    asked = time.perf_counter()
    time.sleep({_STEP_S})
    worst = max(worst, time.perf_counter() - asked - {_STEP_S})
print(worst)
"""


class LoopProbe:
    """`async with LoopProbe() as probe: …`, then `assert probe.held < 0.05`.

    On a busy machine every process waits for its turn; `held` is what this loop waited longer than an idle process did.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        """Longest delay of this loop, seconds."""
        self.background = 0.0
        """Longest delay of the idle process, seconds."""

    @property
    def held(self) -> float:
        """Seconds; negative when the machine was busier elsewhere."""
        return self.worst - self.background

    async def __aenter__(self) -> LoopProbe:
        self._control = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CONTROL, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        self._watch = asyncio.create_task(self._measure(), name="loop-probe")
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._watch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch
        output, _ = await self._control.communicate(b"")
        self.background = float(output)

    async def _measure(self) -> None:
        while True:
            asked = time.perf_counter()
            await asyncio.sleep(_STEP_S)
            self.worst = max(self.worst, time.perf_counter() - asked - _STEP_S)
