"""A running plugin, as the host runs it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from ai_secretary.audit import AuditLog
from ai_secretary.config import Settings
from ai_secretary.events import EventBus
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Jobs
from ai_secretary.plugins import PluginContext, TaskOwner
from ai_secretary.plugins import registrars as r
from ai_secretary.plugins.registries import Registries
from ai_secretary.plugins.services import CoreServices
from ai_secretary.storage import Database, Preferences
from ai_secretary_tts_festival.plugin import FestivalPlugin
from ai_secretary_tts_festival.voice import FestivalVoice


@dataclass(slots=True)
class Running:
    plugin: FestivalPlugin
    registries: Registries
    context: PluginContext

    @property
    def voice(self) -> FestivalVoice:
        return self.plugin.voice


@pytest.fixture
async def running(sqlite_database: Database, settings: Settings) -> AsyncIterator[Running]:
    plugin, registries, bus = FestivalPlugin(), Registries(), EventBus()
    preferences = Preferences(sqlite_database, bus)
    await preferences.load()
    context = PluginContext(
        plugin_id="tts_festival",
        data_dir=settings.data_dir,
        settings=settings,
        database=sqlite_database,
        preferences=preferences,
        bus=bus,
        tasks=TaskOwner("tts_festival"),
        jobs=Jobs(sqlite_database, registries, bus, f"sqlite:///{settings.data_dir}/jobs.db"),
        audit=cast("AuditLog", None),  # nothing that this plugin does is audited
        registries=registries,
        services=cast("CoreServices", None),  # this plugin uses none of the core's services
        translate=Translator("tts_festival"),
    )
    await plugin.setup(context)
    plugin.register_settings(r.SettingsRegistrar(registries, context))
    plugin.register_translations(r.TranslationsRegistrar(registries, context))
    plugin.register_synthesizers(r.SynthesizersRegistrar(registries, context))
    plugin.register_health(r.HealthRegistrar(registries, context))
    await plugin.start()
    yield Running(plugin, registries, context)
    await plugin.stop()


@pytest.fixture
def festival() -> str:
    """The program's path; tests that speak need `festival` and `festvox-ru` (scripts/system-packages lists them)."""
    path = shutil.which("festival")
    assert path is not None, "install festival and festvox-ru"
    return path
