"""What a registration hook receives: checks each call on the spot and remembers the owner."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ai_secretary.errors import SecretaryError

if TYPE_CHECKING:
    from dependency_injector import providers
    from fastapi import APIRouter, FastAPI
    from pydantic import BaseModel

    from ai_secretary.app import Application
    from ai_secretary.dialogue import Stage
    from ai_secretary.jobs import JobHandler
    from ai_secretary.llm import ChatModelSource
    from ai_secretary.pages import DashboardCard, Page
    from ai_secretary.plugins.context import PluginContext
    from ai_secretary.plugins.provider_types import ProviderType
    from ai_secretary.plugins.registries import Registries
    from ai_secretary.speech import RecognizerSource, SynthesizerSource

_PAGE_ID = re.compile(r"^[a-z][a-z0-9-]{0,40}$")
_PERMISSION = re.compile(r"^[a-z][a-z0-9_]*:(read|write|admin)$")


class RegistrationError(SecretaryError):
    """A plugin registered something that cannot be accepted; the plugin fails, nobody else does."""

    status = 500
    default_code = "plugin_registration"


@dataclass(slots=True, frozen=True)
class Health:
    """Result of a check. `summary` is one fact for people, English message id of the plugin's catalogue."""

    state: Literal["ok", "warning", "error", "off"]
    summary: str = ""
    hint: str = ""
    """How to mend it."""


WebInstaller = Callable[["FastAPI", "Application"], None]
HealthCheck = Callable[[], Health | Awaitable[Health]]


@dataclass(slots=True, frozen=True)
class HealthEntry:
    id: str
    owner: str
    title: str
    icon: str
    check: HealthCheck


@dataclass(slots=True, frozen=True)
class StageEntry:
    order: int
    id: str
    owner: str
    title: str
    stage: Stage


class Registrar:
    """Base: owner and context."""

    def __init__(self, registries: Registries, context: PluginContext) -> None:
        self._open_registries: Registries | None = registries
        self.context = context

    @property
    def _registries(self) -> Registries:
        if self._open_registries is None:
            raise RegistrationError("The registration of {owner} is over; it took too long", owner=self.context.plugin_id)
        return self._open_registries

    def close(self) -> None:
        """Refuse further registrations (the hook returned, or ran out of time)."""
        self._open_registries = None

    @property
    def owner(self) -> str:
        return self.context.plugin_id


class SettingsRegistrar(Registrar):
    def add(self, model: type[BaseModel]) -> None:
        """The model of the plugin's options: every field has a default, a title and a description."""
        missing = [name for name, info in model.model_fields.items() if info.is_required()]
        if missing:
            raise RegistrationError(
                "Options {model} need a default for {fields}", model=model.__name__, fields=", ".join(missing)
            )
        self._registries.add_options(self.owner, model)


class ServicesRegistrar(Registrar):
    @property
    def container(self) -> Any:
        """The core's container: its providers (`database`, `bus`, …) may be arguments of the plugin's own."""
        return self._registries.container

    def add(self, name: str, provider: providers.Provider[Any]) -> None:
        """`name` is unique inside the plugin; reach it as `registries.service("<plugin>.<name>")`."""
        self._registries.add_service(self.owner, name, provider)


class ChatModelsRegistrar(Registrar):
    def add(self, source: ChatModelSource) -> None:
        self._registries.add_chat_source(self.owner, source)


class SynthesizersRegistrar(Registrar):
    def add(self, source: SynthesizerSource) -> None:
        self._registries.add_synthesizer_source(self.owner, source)


class RecognizersRegistrar(Registrar):
    def add(self, source: RecognizerSource) -> None:
        self._registries.add_recognizer_source(self.owner, source)


class StagesRegistrar(Registrar):
    def add(self, stage: Stage, *, id: str, title: str, order: int) -> None:
        """`order` between 1 and 999; see `dialogue.stage` for the orders of the house."""
        if not 0 < order < 1000:
            raise RegistrationError("Stage {id}: order {order} is not between 1 and 999", id=id, order=order)
        self._registries.add_stage(StageEntry(order, id, self.owner, title, stage))


class RoutesRegistrar(Registrar):
    def include(self, router: APIRouter, *, prefix: str) -> None:
        """Mount a router. `prefix` starts with `/admin/`, `/webhooks/`, `/widget` or is a documented root path."""
        if not prefix.startswith("/") or prefix.endswith("/") or prefix.startswith(("/ui", "/v1")):
            raise RegistrationError("Route prefix {prefix} is not allowed for a plugin", prefix=prefix)
        self._registries.add_routes(self.owner, router, prefix)


class PagesRegistrar(Registrar):
    def add(self, page: Page) -> None:
        if not _PAGE_ID.match(page.id):
            raise RegistrationError("Page id {id}: lower-case letters, digits and dashes", id=page.id)
        if not _PERMISSION.match(page.permission):
            raise RegistrationError("Permission {permission} is not area:read, :write or :admin", permission=page.permission)
        self._registries.add_page(self.owner, page)

    def add_card(self, card: DashboardCard) -> None:
        if not _PERMISSION.match(card.permission):
            raise RegistrationError("Permission {permission} is not area:read, :write or :admin", permission=card.permission)
        self._registries.add_card(self.owner, card)


class JobsRegistrar(Registrar):
    def add(self, kind: str, handler: JobHandler, *, title: str, concurrency: int = 2) -> None:
        """A kind of durable work, named `<plugin>.<kind>`. The handler must bear being run again after a crash."""
        self._registries.add_job_kind(self.owner, kind, handler, title, concurrency)


class HealthRegistrar(Registrar):
    def add(self, id: str, check: HealthCheck, *, title: str, icon: str = "extension") -> None:
        """`check` answers within 2 seconds; it is called at most once per 10 seconds."""
        self._registries.add_health(HealthEntry(id, self.owner, title, icon, check))


class TranslationsRegistrar(Registrar):
    def add(self, folder: Traversable) -> None:
        """A folder with `ru.po`; the domain is the plugin's id."""
        self._registries.add_translations(self.owner, folder)


class ProviderTypesRegistrar(Registrar):
    def add(self, provider_type: ProviderType) -> None:
        self._registries.add_provider_type(self.owner, provider_type)


class WebRegistrar(Registrar):
    def install(self, callback: WebInstaller) -> None:
        """`callback(app, application)` is called once, before the server listens: for what must wrap the whole server."""
        self._registries.add_web_installer(self.owner, callback)


class MigrationsRegistrar:
    """Without a context: tables exist before the plugin is set up."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.folders: list[Path] = []
        self._closed = False

    def close(self) -> None:
        self._closed = True

    def add(self, folder: Path) -> None:
        """A folder of Alembic revisions; the first revision has `branch_labels = ("<plugin id>",)` and `down_revision = None`."""
        if self._closed:
            raise RegistrationError("The registration of {owner} is over; it took too long", owner=self.owner)
        if not folder.is_dir():
            raise RegistrationError("Migrations folder {folder} does not exist", folder=str(folder))
        self.folders.append(folder)
