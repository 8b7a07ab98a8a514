"""What the core lends to a plugin: nothing global, all of it owned by the plugin's id."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import structlog
from pydantic import BaseModel

from ai_secretary.i18n import Translator

if TYPE_CHECKING:
    from ai_secretary.audit import AuditLog
    from ai_secretary.config import Settings
    from ai_secretary.events import EventBus
    from ai_secretary.jobs import Jobs
    from ai_secretary.plugins.registries import Registries
    from ai_secretary.plugins.services import CoreServices
    from ai_secretary.storage import Database, Preferences

log = structlog.get_logger(__name__)

O = TypeVar("O", bound=BaseModel)  # noqa: E741 - the usual name for options


class TaskOwner:
    """Background tasks with an owner and a name; all are cancelled when the owner goes."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failures: list[str] = []

    def spawn(self, coroutine: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine, name=f"{self.owner}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(f"{task.get_name()}: {type(error).__name__}: {error}")
            del self.failures[:-20]
            log.error("background_task_failed", owner=self.owner, task=task.get_name(), exc_info=error)

    async def cancel_all(self, *, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - a bound, not a cancellation scope
        """Cancel every task and wait up to `timeout` seconds for them to end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=timeout)

    def __len__(self) -> int:
        return len(self._tasks)


@dataclass(slots=True)
class PluginContext:
    """Lent at `Plugin.setup`, reachable as `registrar.context` in every registration hook."""

    plugin_id: str
    data_dir: Path
    """The plugin's own folder in the data folder; exists."""
    settings: Settings
    database: Database
    preferences: Preferences
    bus: EventBus
    tasks: TaskOwner
    jobs: Jobs
    audit: AuditLog
    registries: Registries
    """Read access to what all plugins registered (models, voices, recognisers, stages, pages)."""
    services: CoreServices
    """The core's services: dialogue, voice, conversations, access."""
    translate: Translator
    http_user_agent: str = "ai-secretary"
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the server answers: warm up after it, so that nobody waits for the first page. Never set on the command line."""

    def options(self, model: type[O]) -> O:
        """The plugin's options as they are now; the model is the one given to `register_settings`."""
        return self.preferences.get(f"plugin:{self.plugin_id}", model)

    async def save_options(self, value: BaseModel) -> None:
        """Store the plugin's options; listeners get `PreferencesChanged("plugin:<id>", value)`."""
        await self.preferences.set(f"plugin:{self.plugin_id}", value)
