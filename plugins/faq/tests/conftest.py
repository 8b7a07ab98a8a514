"""A running FAQ on a real database, with the core's own parts around it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from ai_secretary.audit import AuditEvent, AuditLog
from ai_secretary.config import Settings
from ai_secretary.events import EventBus
from ai_secretary.i18n import Translator, register_catalogue
from ai_secretary.jobs import Jobs
from ai_secretary.plugins import PluginContext, TaskOwner
from ai_secretary.plugins.registrars import (
    HealthRegistrar,
    PagesRegistrar,
    ServicesRegistrar,
    SettingsRegistrar,
    StagesRegistrar,
    TranslationsRegistrar,
)
from ai_secretary.plugins.registries import Registries
from ai_secretary.plugins.services import CoreServices
from ai_secretary.storage import Database, Preferences
from ai_secretary.storage.migrations import Migrator
from ai_secretary_faq.actions import FaqActions
from ai_secretary_faq.entries import Entry
from ai_secretary_faq.plugin import FaqPlugin

START = datetime(2026, 1, 1, tzinfo=UTC)


def entry(
    number: int, question: str, *keywords: str, language: str | None = None, enabled: bool = True, answer: str = ""
) -> Entry:
    """An entry as old as its number is small."""
    moment = START + timedelta(seconds=number)
    return Entry(f"faq_{number}", question, answer or f"Answer {number}", keywords, language, enabled, 0, None, moment, moment)


class Heard:
    """An audit sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def submit(self, event: AuditEvent) -> None:
        self.events.append(event)


@dataclass(slots=True)
class Running:
    plugin: FaqPlugin
    context: PluginContext
    registries: Registries
    audited: list[AuditEvent]

    @property
    def actions(self) -> FaqActions:
        return self.plugin.actions


async def start(database: Database, settings: Settings) -> Running:
    """Bring the plugin up as the host does: tables, setup, hooks, start."""
    plugin = FaqPlugin()
    registries, bus, heard = Registries(), EventBus(), Heard()
    migrator = Migrator(database)
    from ai_secretary.plugins.registrars import MigrationsRegistrar

    migrations = MigrationsRegistrar("faq")
    plugin.register_migrations(migrations)
    migrator.add_branch("faq", migrations.folders)
    await migrator.upgrade("faq")
    preferences = Preferences(database, bus)
    await preferences.load()
    context = PluginContext(
        plugin_id="faq",
        data_dir=settings.data_dir / "faq",
        settings=settings,
        database=database,
        preferences=preferences,
        bus=bus,
        tasks=TaskOwner("faq"),
        jobs=Jobs(database, registries, bus, f"sqlite:///{settings.data_dir}/jobs.db"),
        audit=AuditLog(database, heard),
        registries=registries,
        services=cast("CoreServices", None),  # this plugin uses none of the core's services
        translate=Translator("faq"),
    )
    await plugin.setup(context)
    plugin.register_settings(SettingsRegistrar(registries, context))
    plugin.register_services(ServicesRegistrar(registries, context))
    plugin.register_stages(StagesRegistrar(registries, context))
    plugin.register_pages(PagesRegistrar(registries, context))
    plugin.register_health(HealthRegistrar(registries, context))
    plugin.register_translations(TranslationsRegistrar(registries, context))
    await plugin.start()
    return Running(plugin, context, registries, heard.events)


async def stop(running: Running) -> None:
    await running.plugin.stop()
    await running.context.tasks.cancel_all()
    await running.context.bus.drain()


@pytest.fixture
async def faq(database: Database, settings: Settings) -> AsyncIterator[Running]:
    """On SQLite and on PostgreSQL."""
    running = await start(database, settings)
    yield running
    await stop(running)


@pytest.fixture
async def sqlite_faq(sqlite_database: Database, settings: Settings) -> AsyncIterator[Running]:
    running = await start(sqlite_database, settings)
    yield running
    await stop(running)


@pytest.fixture
def russian() -> None:
    from importlib.resources import files

    register_catalogue("faq", files("ai_secretary_faq").joinpath("locale"))


async def longest_stall(work: Awaitable[object]) -> float:
    """Milliseconds of processor time that the event loop spent at worst between two ticks of 5 ms while `work` ran.

    Processor time and not the clock: on a busy machine the clock measures the neighbours.
    """
    worst = 0.0

    async def watch() -> None:
        nonlocal worst
        while True:
            before = time.thread_time()
            await asyncio.sleep(0.005)
            worst = max(worst, (time.thread_time() - before) * 1000)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0.02)
    worst = 0.0
    await work
    watcher.cancel()
    return worst
