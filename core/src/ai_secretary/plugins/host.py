"""Loading, starting, stopping plugins: one at a time, each guarded, none able to take the house down."""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from collections.abc import Callable
from typing import Any

import pluggy
import structlog
from pydantic import BaseModel

from ai_secretary.config import Settings
from ai_secretary.errors import Conflict, NotFound, SecretaryError
from ai_secretary.events import EventBus
from ai_secretary.plugins import hookspecs
from ai_secretary.plugins import registrars as r
from ai_secretary.plugins.context import PluginContext
from ai_secretary.plugins.discovery import Found, discover
from ai_secretary.plugins.guard import Failure, Guard, PluginCallFailed
from ai_secretary.plugins.plugin import PROJECT, Plugin
from ai_secretary.plugins.records import PluginChanged, PluginRecord, PluginState
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Preferences
from ai_secretary.storage.migrations import Migrator

log = structlog.get_logger(__name__)

SUBJECT = "plugins"
IMPORT_SECONDS = 30.0
HOOK_SECONDS = 10.0
SETUP_SECONDS = 30.0
STOP_SECONDS = 10.0

MakeContext = Callable[[str], PluginContext]

REGISTRARS: dict[str, type[r.Registrar]] = {
    "register_translations": r.TranslationsRegistrar,
    "register_services": r.ServicesRegistrar,
    "register_provider_types": r.ProviderTypesRegistrar,
    "register_chat_models": r.ChatModelsRegistrar,
    "register_synthesizers": r.SynthesizersRegistrar,
    "register_recognizers": r.RecognizersRegistrar,
    "register_stages": r.StagesRegistrar,
    "register_jobs": r.JobsRegistrar,
    "register_health": r.HealthRegistrar,
    "register_routes": r.RoutesRegistrar,
    "register_pages": r.PagesRegistrar,
    "register_web": r.WebRegistrar,
}
"""Hooks called after `setup`, in this order."""


class PluginPreferences(BaseModel):
    """What the admin decided about plugins."""

    disabled: tuple[str, ...] = ()


class PluginHost:
    """Knows every installed plugin and its state. `start_all` once, then `enable` and `disable` at run time."""

    def __init__(
        self,
        settings: Settings,
        registries: Registries,
        preferences: Preferences,
        bus: EventBus,
        migrator: Migrator,
        guard: Guard,
        make_context: MakeContext,
        find: Callable[[], list[Found]] = discover,
    ) -> None:
        self._settings = settings
        self._registries = registries
        self._preferences = preferences
        self._bus = bus
        self._migrator = migrator
        self.guard = guard
        self._make_context = make_context
        self._find = find
        self._records: dict[str, PluginRecord] = {}
        self._lock = asyncio.Lock()
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(hookspecs)
        guard.on_failure = self._failed_call
        guard.on_recovery = self._recovered_call
        registries.on_error = guard.report

    # ---- reading ----

    def list(self) -> list[PluginRecord]:
        """Every installed plugin: those that need the admin first, then by title."""
        trouble = {"failed": 0, "incompatible": 0, "degraded": 1}
        return sorted(self._records.values(), key=lambda record: (trouble.get(record.state, 2), record.title.casefold()))

    def get(self, plugin_id: str) -> PluginRecord:
        record = self._records.get(plugin_id)
        if record is None:
            raise NotFound("No plugin {id} is installed", id=plugin_id, code="plugin_not_found")
        return record

    # ---- life ----

    async def start_all(self) -> None:
        """Discover, then load and start every allowed plugin in turn."""
        async with self._lock:
            await self._discover()
            for record in list(self._records.values()):
                if self._judge(record):
                    await self._load_and_start(record)

    async def discover_only(self) -> None:
        """Know what is installed without importing any of it."""
        async with self._lock:
            await self._discover()
            for record in self._records.values():
                self._judge(record)

    async def _discover(self) -> None:
        for found in await asyncio.to_thread(self._find):
            if found.id in self._records:
                other = self._records[found.id].found.distribution
                log.error("plugin_id_taken", plugin=found.id, distribution=found.distribution, taken_by=other)
                self._records[found.id].rivals.append(found.distribution)
                continue
            self._records[found.id] = PluginRecord(found)

    async def enable(self, plugin_id: str) -> PluginRecord:
        """Start a plugin now and at every later start. Raises `NotFound`, `Conflict` where settings forbid it."""
        async with self._lock:
            record = self.get(plugin_id)
            await self.remember(plugin_id, disabled=False)
            if record.running:
                return record
            if not self._judge(record):
                raise Conflict(
                    "Plugin {id} cannot be started: {reason}",
                    id=plugin_id,
                    reason=record.reason,
                    code=record.code,
                    hint=record.hint,
                )
            await self._load_and_start(record)
            return record

    async def disable(self, plugin_id: str) -> PluginRecord:
        """Stop a plugin now and keep it off; its data stays."""
        async with self._lock:
            record = self.get(plugin_id)
            await self.remember(plugin_id, disabled=True)
            if record.manifest is not None and record.manifest.reload == "restart" and record.running:
                self._set(record, "restart_needed", "It stops at the next start of the server", code="restart_needed")
                return record
            await self._stop(record)
            self._set(record, "blocked", "Turned off by an administrator", code="disabled")
            return record

    async def retry(self, plugin_id: str) -> PluginRecord:
        """Stop what is left of a plugin and start it again."""
        async with self._lock:
            record = self.get(plugin_id)
            await self._stop(record)
            if self._judge(record):
                await self._load_and_start(record)
            return record

    async def stop_all(self) -> None:
        """In reverse order of starting."""
        async with self._lock:
            for record in reversed(list(self._records.values())):
                if record.running or record.state == "restart_needed":
                    await self._stop(record)
                    self._set(record, "stopped", "")

    # ---- steps ----

    def _judge(self, record: PluginRecord) -> bool:
        """Whether the plugin may be imported at all."""
        found, settings = record.found, self._settings
        if not found.compatible:
            self._set(
                record,
                "incompatible",
                f"It wants core {found.requires_core}, this is another version",
                code="incompatible",
                hint="Install a version of the plugin for this core.",
            )
        elif settings.safe_mode and not found.builtin:
            self._set(record, "blocked", "Safe mode loads built-in plugins only", code="safe_mode")
        elif settings.plugins is not None and found.id not in settings.plugins:
            self._set(
                record,
                "blocked",
                "Not in the allow-list SECRETARY_PLUGINS",
                code="not_allowed",
                hint="Add it to SECRETARY_PLUGINS.",
            )
        elif found.id in self._preferences.get(SUBJECT, PluginPreferences).disabled:
            self._set(record, "blocked", "Turned off by an administrator", code="disabled")
        else:
            return True
        return False

    async def _load_and_start(self, record: PluginRecord) -> None:
        started = time.perf_counter()
        step = "import"
        self.guard.forget(record.id)
        try:
            plugin = await self.guard.call(
                record.id, "import", record.found.entry_point.load, timeout=IMPORT_SECONDS, in_thread=True
            )
            step = "manifest"
            self._check(record, plugin)
            step = "migrations"
            await self._migrate(record.id)
            step = "setup"
            context = record.context = self._make_context(record.id)
            await self._register(record.id, "register_settings", r.SettingsRegistrar(self._registries, context))
            await self.guard.call(record.id, "setup", plugin.setup, context, timeout=SETUP_SECONDS)
            for hook, registrar_type in REGISTRARS.items():
                step = hook
                await self._register(record.id, hook, registrar_type(self._registries, context))
            self._set(record, "loaded", "")
            step = "start"
            await self.guard.call(record.id, "start", plugin.start, timeout=SETUP_SECONDS)
        except Exception as error:
            cause = error.__cause__ if isinstance(error, PluginCallFailed) and error.__cause__ is not None else error
            await self._stop(record)
            record.details = "".join(traceback.format_exception(cause))
            hint = cause.hint if isinstance(cause, SecretaryError) else ""
            if isinstance(cause, ModuleNotFoundError):
                hint = f"Install the missing module {cause.name}."
            self._set(record, "failed", f"{step}: {cause or type(cause).__name__}", code=f"plugin_{step}", hint=hint)
        else:
            record.load_ms = (time.perf_counter() - started) * 1000
            record.details = ""
            self._set(record, "started", "")
            log.info("plugin_started", plugin=record.id, version=record.version, ms=round(record.load_ms))

    def _check(self, record: PluginRecord, plugin: Any) -> None:
        if not isinstance(plugin, Plugin):
            raise r.RegistrationError("The entry point gives {kind}, not an instance of Plugin", kind=type(plugin).__name__)
        if plugin.manifest.id != record.id:
            raise r.RegistrationError(
                "The manifest says {manifest}, the entry point says {entry}", manifest=plugin.manifest.id, entry=record.id
            )
        record.manifest, record.plugin = plugin.manifest, plugin
        if self._manager.has_plugin(record.id):
            self._manager.unregister(name=record.id)
        self._manager.register(plugin, record.id)
        for name in dir(type(plugin)):
            marked = getattr(getattr(type(plugin), name), f"{PROJECT}_impl", None)
            if marked is not None and not hasattr(hookspecs, name):
                raise r.RegistrationError("There is no hook {name}", name=name)

    async def _migrate(self, plugin_id: str) -> None:
        registrar = r.MigrationsRegistrar(plugin_id)
        await self._register(plugin_id, "register_migrations", registrar)
        if registrar.folders:
            self._migrator.add_branch(plugin_id, registrar.folders)
            applied = await self._migrator.upgrade(plugin_id)
            if applied:
                log.info("plugin_migrated", plugin=plugin_id, revisions=[item.revision for item in applied])

    async def _register(self, plugin_id: str, hook: str, registrar: r.Registrar | r.MigrationsRegistrar) -> None:
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            if implementation.plugin_name != plugin_id:
                continue
            wanted = inspect.signature(implementation.function).parameters
            arguments = {"registrar": registrar} if "registrar" in wanted else {}
            # a hook may block or never return: it runs beside the loop, and its registrar closes with the deadline
            try:
                await self.guard.call(plugin_id, hook, implementation.function, timeout=HOOK_SECONDS, in_thread=True, **arguments)
            finally:
                registrar.close()

    async def _stop(self, record: PluginRecord) -> None:
        """Undo whatever of a start has happened; safe at any point of it."""
        if record.plugin is not None and record.context is not None:
            try:
                await self.guard.call(record.id, "stop", record.plugin.stop, timeout=STOP_SECONDS)
            except PluginCallFailed as error:
                log.warning("plugin_stop_failed", plugin=record.id, error=error.message)
        if record.context is not None:
            await record.context.tasks.cancel_all()
            record.context = None
        self._registries.remove_owner(record.id)
        self._bus.unsubscribe_owner(record.id)
        if self._manager.has_plugin(record.id):
            self._manager.unregister(name=record.id)
        self._migrator.remove_branch(record.id)

    async def remember(self, plugin_id: str, *, disabled: bool) -> None:
        """Decide whether a plugin is off, for the next start; raises `NotFound`."""
        self.get(plugin_id)
        current = self._preferences.get(SUBJECT, PluginPreferences)
        names = set(current.disabled) | {plugin_id} if disabled else set(current.disabled) - {plugin_id}
        if names != set(current.disabled):
            await self._preferences.set(SUBJECT, PluginPreferences(disabled=tuple(sorted(names))))

    def _set(self, record: PluginRecord, state: PluginState, reason: str, *, code: str = "", hint: str = "") -> None:
        record.state, record.reason, record.code, record.hint = state, reason, code, hint
        self._bus.publish(PluginChanged(record.id, state, reason))

    def _failed_call(self, failure: Failure) -> None:
        record = self._records.get(failure.owner)
        if record is None:
            return
        record.failures.append(failure)
        if record.state == "started" and self.guard.circuits[(failure.owner, failure.what)].consecutive >= 3:
            record.details = failure.details
            self._set(record, "degraded", f"{failure.what}: {failure.message}", code="plugin_degraded")

    def _recovered_call(self, owner: str, _what: str) -> None:
        record = self._records.get(owner)
        if record is not None and record.state == "degraded" and record.code == "plugin_degraded":
            self._set(record, "started", "")
