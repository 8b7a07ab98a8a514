"""A host over plugins that are made in the test, as if they were installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ai_secretary.config import Settings
from ai_secretary.events import EventBus
from ai_secretary.i18n import Translator
from ai_secretary.plugins import Manifest, Plugin, PluginContext, TaskOwner
from ai_secretary.plugins.discovery import Found
from ai_secretary.plugins.guard import Guard
from ai_secretary.plugins.host import PluginHost
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database, Preferences
from ai_secretary.storage.migrations import Migrator


@dataclass
class EntryPoint:
    """Stands for an installed entry point: what `load` gives is decided by the test."""

    load: Callable[[], Any]
    name: str = ""


def installed(plugin: Any, *, plugin_id: str = "", distribution: str = "", requires_core: str = ">=0.1,<0.2") -> Found:
    """`plugin`: an instance, or a function that gives or raises."""
    load = (lambda: plugin) if isinstance(plugin, Plugin) else plugin
    name = plugin_id or plugin.manifest.id
    return Found(
        id=name,
        entry_point=EntryPoint(load, name),  # type: ignore[arg-type]  # only load() is used
        distribution=distribution or f"secretary-{name}",
        version="1.0",
        summary="",
        licence="MIT",
        requires_core=requires_core,
    )


def manifest(plugin_id: str, **more: Any) -> Manifest:
    return Manifest(id=plugin_id, title=plugin_id.title(), summary="For tests", version="1.0", **more)


@dataclass
class House:
    settings: Settings
    database: Database
    bus: EventBus
    preferences: Preferences
    registries: Registries = field(default_factory=Registries)
    guard: Guard = field(default_factory=Guard)

    def host(self, *plugins: Found) -> PluginHost:
        def context(plugin_id: str) -> PluginContext:
            folder = self.settings.data_dir / "plugins" / plugin_id
            folder.mkdir(parents=True, exist_ok=True)
            return PluginContext(
                plugin_id=plugin_id,
                data_dir=folder,
                settings=self.settings,
                database=self.database,
                preferences=self.preferences,
                bus=self.bus,
                tasks=TaskOwner(plugin_id),
                jobs=None,  # type: ignore[arg-type]  # these plugins do no durable work
                audit=None,  # type: ignore[arg-type]
                registries=self.registries,
                services=None,  # type: ignore[arg-type]
                translate=Translator(plugin_id),
            )

        return PluginHost(
            self.settings,
            self.registries,
            self.preferences,
            self.bus,
            Migrator(self.database),
            self.guard,
            context,
            find=lambda: list(plugins),
        )


@pytest.fixture
async def house(settings: Settings, sqlite_database: Database, bus: EventBus) -> House:
    preferences = Preferences(sqlite_database, bus)
    await preferences.load()
    return House(settings, sqlite_database, bus, preferences)
