"""What the tests hold of a running plugin."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ai_secretary.audit import AuditEvent
from ai_secretary.jobs import Jobs
from ai_secretary.plugins import PluginContext
from ai_secretary.plugins.registries import Registries
from ai_secretary_tts_piper.plugin import PiperPlugin
from ai_secretary_tts_piper.service import PiperVoices


class Heard:
    """An audit sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def submit(self, event: AuditEvent) -> None:
        self.events.append(event)


@dataclass(slots=True)
class Running:
    plugin: PiperPlugin
    context: PluginContext
    registries: Registries
    jobs: Jobs
    audited: list[AuditEvent]

    @property
    def voices(self) -> PiperVoices:
        return self.plugin.voices


async def until(condition: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something that another process does; fails when it does not come."""
    end = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < end, "it did not happen in time"
        await asyncio.sleep(0.01)


Start = Callable[..., Awaitable[Running]]
