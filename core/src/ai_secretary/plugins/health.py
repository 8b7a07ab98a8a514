"""Health checks of the core and of plugins: run in turn in the background, remembered, told when they change."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

from ai_secretary.events import EventBus
from ai_secretary.plugins.guard import Guard, PluginCallFailed
from ai_secretary.plugins.registrars import Health, HealthEntry
from ai_secretary.plugins.registries import Registries

CHECK_SECONDS = 2.0
FRESH_SECONDS = 10.0


@dataclass(slots=True, frozen=True)
class HealthReport:
    """The outcome of one check. `title` and `summary` are English ids of the owner's catalogue."""

    id: str
    owner: str
    title: str
    icon: str
    state: Literal["ok", "warning", "error", "off"]
    summary: str
    hint: str
    at: float
    """Monotonic seconds."""


@dataclass(slots=True, frozen=True)
class HealthChanged:
    """Published when a check's state or summary differs from the last one."""

    report: HealthReport


class HealthMonitor:
    """`latest` never waits; `check_all` refreshes what is older than ten seconds."""

    def __init__(self, registries: Registries, guard: Guard, bus: EventBus) -> None:
        self._registries = registries
        self._guard = guard
        self._bus = bus
        self._reports: dict[str, HealthReport] = {}

    def latest(self) -> list[HealthReport]:
        known = {entry.id for entry in self._registries.health.values()}
        return [report for id, report in self._reports.items() if id in known]

    async def check_all(self) -> list[HealthReport]:
        entries = self._registries.health.values()
        await asyncio.gather(*(self._check(entry) for entry in entries))
        return [self._reports[entry.id] for entry in entries if entry.id in self._reports]

    async def run(self, interval: float = 15.0) -> None:
        """Check everything every `interval` seconds, for ever."""
        while True:
            await self.check_all()
            await asyncio.sleep(interval)

    async def _check(self, entry: HealthEntry) -> None:
        known = self._reports.get(entry.id)
        if known is not None and time.monotonic() - known.at < FRESH_SECONDS:
            return
        try:
            health: Health = await self._guard.call(entry.owner, f"health {entry.id}", entry.check, timeout=CHECK_SECONDS)
        except PluginCallFailed as error:
            health = Health("error", str(error.__cause__ or error.message))
        report = HealthReport(
            entry.id, entry.owner, entry.title, entry.icon, health.state, health.summary, health.hint, time.monotonic()
        )
        self._reports[entry.id] = report
        if known is None or (known.state, known.summary) != (report.state, report.summary):
            self._bus.publish(HealthChanged(report))
