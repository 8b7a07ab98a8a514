"""The application: everything that lives in this process, opened and closed in the right order."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from ai_secretary.access import PrintedOnce
from ai_secretary.app.checks import register_checks
from ai_secretary.app.container import Container
from ai_secretary.config import Settings
from ai_secretary.conversations import UsageRecord
from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.metrics import Metrics
from ai_secretary.plugins import PluginContext, TaskOwner
from ai_secretary.plugins.host import PluginHost
from ai_secretary.plugins.records import PluginChanged
from ai_secretary.plugins.services import CoreServices
from ai_secretary.storage.migrations.runner import CORE

if TYPE_CHECKING:
    from ai_secretary.app.web import PluginRoutes

log = structlog.get_logger(__name__)


class DataFolderError(SecretaryError):
    default_code = "data_folder"


class Application:
    """`open`, use, `close`. Attributes are the rooms' services; nothing here is looked up per request."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.container = Container(settings=settings)
        self._prepare_folder(settings.data_dir)
        make = self.container
        self.vault = make.vault()
        self.database = make.database()
        self.bus = make.bus()
        self.migrator = make.migrator()
        self.preferences = make.preferences()
        self.registries = make.registries()
        self.registries.container = make
        self.guard = make.guard()
        self.health = make.health()
        self.journal = make.journal()
        self.audit = make.audit()
        self.limits = make.limits()
        self.access = make.access()
        self.jobs = make.jobs()
        self.conversations = make.conversations()
        self.personas = make.personas()
        self.router = make.router()
        self.dialogue = make.dialogue()
        self.voice = make.voice()
        self.host = PluginHost(
            settings, self.registries, self.preferences, self.bus, self.migrator, self.guard, self._make_context
        )
        self.metrics = Metrics()
        self.tasks = TaskOwner("core")
        self.plugin_routes: PluginRoutes | None = None
        self.ready = asyncio.Event()
        """Set once the server answers; what warms up waits for it."""
        self.printed_once: list[PrintedOnce] = []
        """Credentials made at this start, to be shown once."""
        self._opened_at = time.monotonic()
        self._is_open = False

    @property
    def uptime(self) -> float:
        """Seconds since `open` began."""
        return time.monotonic() - self._opened_at

    async def open(self, *, plugins: bool = True) -> None:
        """Migrate, load, start plugins. On failure everything that was opened is closed again."""
        self._opened_at = time.monotonic()
        try:
            await self.migrator.upgrade(CORE)
            await self.preferences.load()
            self.journal.on_usage.append(self._count_tokens(asyncio.get_running_loop()))
            self.journal.start()
            await self.access.load()
            self.printed_once = list(await self.access.bootstrap(self.settings))
            self.access.start(self.tasks)
            await self.personas.load()
            await self.voice.load()
            register_checks(self)
            self._is_open = True
            if plugins:
                self.bus.subscribe(PluginChanged, self._plugin_changed)
                await self.host.start_all()
                self.tasks.spawn(self._when_ready(), name="when_ready")
        except BaseException:
            await self.close()
            raise

    async def _when_ready(self) -> None:
        """What may wait until the server answers: it would only delay its first answer."""
        await self.ready.wait()
        self.jobs.start()
        self.voice.warm_up()
        await self.health.run()

    async def close(self) -> None:
        """Stop plugins, finish what is queued, close the database. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            await self.jobs.close()
            await self.host.stop_all()
            await self.tasks.cancel_all()
            await self.voice.close()
            await self.access.close()
            await self.bus.drain()
        await self.journal.stop()
        await self.database.dispose()

    async def database_facts(self) -> dict[str, Any]:
        """For the status page: kind, size in bytes where it is a file."""
        url = self.settings.resolved_database_url
        if not url.startswith("sqlite"):
            return {"kind": "postgresql", "size_bytes": None}
        path = Path(url.removeprefix("sqlite:///"))
        size = await asyncio.to_thread(lambda: path.stat().st_size if path.exists() else 0)
        return {"kind": "sqlite", "size_bytes": size}

    def _make_context(self, plugin_id: str) -> PluginContext:
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
            jobs=self.jobs,
            audit=self.audit,
            registries=self.registries,
            services=CoreServices(self.access, self.conversations, self.dialogue, self.voice),
            translate=Translator(plugin_id),
            ready=self.ready,
        )

    def _count_tokens(self, loop: asyncio.AbstractEventLoop) -> Callable[[UsageRecord], None]:
        """Stored usage counts towards the monthly limit of its key. Called in the journal's thread."""

        def count(usage: UsageRecord) -> None:
            tokens = usage.prompt_tokens + usage.completion_tokens
            if usage.actor_id and tokens:
                loop.call_soon_threadsafe(self.access.directory.spend_tokens, usage.actor_id, tokens)

        return count

    async def _plugin_changed(self, event: PluginChanged) -> None:
        if event.state == "started":
            await self.jobs.take_up_waiting(event.plugin_id)

    @staticmethod
    def _prepare_folder(folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".write-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise DataFolderError(
                "The data folder {folder} cannot be written: {reason}",
                folder=str(folder.resolve()),
                reason=error.strerror or str(error),
                hint="Give this user the right to write there, or set SECRETARY_DATA_DIR.",
            ) from error
