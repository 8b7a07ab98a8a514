"""What plugins brought, by kind, each entry with its owner. Look-ups only; nothing here calls a plugin except for snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import BaseModel

from ai_secretary import i18n
from ai_secretary.llm import ChatModel, ChatModelSource, ModelInfo
from ai_secretary.pages import DashboardCard, Page
from ai_secretary.plugins.provider_types import ProviderType
from ai_secretary.plugins.registrars import HealthEntry, RegistrationError, StageEntry, WebInstaller
from ai_secretary.speech import (
    Recognizer,
    RecognizerInfo,
    RecognizerSource,
    Synthesizer,
    SynthesizerSource,
    VoiceInfo,
)

if TYPE_CHECKING:
    from dependency_injector import providers
    from fastapi import APIRouter

    from ai_secretary.jobs import JobHandler

T = TypeVar("T")
Report = Callable[[str, str, BaseException], None]
"""(owner, what, error): a snapshot call into a plugin failed."""


class Owned(Generic[T]):
    """Entries by key, each with the plugin that owns it."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._entries: dict[str, tuple[str, T]] = {}

    def add(self, owner: str, key: str, value: T) -> None:
        other = self._entries.get(key)
        if other is not None:
            raise RegistrationError("{what} {key} is already taken by plugin {owner}", what=self._what, key=key, owner=other[0])
        self._entries[key] = (owner, value)

    def remove_owner(self, owner: str) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if entry[0] != owner}

    def get(self, key: str) -> T | None:
        entry = self._entries.get(key)
        return entry[1] if entry else None

    def owner_of(self, key: str) -> str | None:
        entry = self._entries.get(key)
        return entry[0] if entry else None

    def items(self) -> Iterator[tuple[str, T]]:
        """(owner, value) pairs in the order of registration."""
        return iter(list(self._entries.values()))

    def values(self) -> list[T]:
        return [value for _, value in self._entries.values()]

    def __len__(self) -> int:
        return len(self._entries)


class JobKind:
    """A kind of durable work."""

    __slots__ = ("concurrency", "handler", "id", "owner", "title")

    def __init__(self, id: str, owner: str, handler: JobHandler, title: str, concurrency: int) -> None:
        self.id = id
        self.owner = owner
        self.handler = handler
        self.title = title
        self.concurrency = concurrency


class Registries:
    """One instance per application. `version` grows with every change, so that caches know when to look again."""

    def __init__(self) -> None:
        self.version = 0
        self.container: Any = None
        """The application's dependency-injector container, for providers that plugins build from the core's."""
        self.chat_sources: Owned[ChatModelSource] = Owned("Model source")
        self.synthesizer_sources: Owned[SynthesizerSource] = Owned("Voice source")
        self.recognizer_sources: Owned[RecognizerSource] = Owned("Recogniser source")
        self.stage_entries: Owned[StageEntry] = Owned("Stage")
        self.pages: Owned[Page] = Owned("Page")
        self.cards: Owned[DashboardCard] = Owned("Dashboard card")
        self.job_kinds: Owned[JobKind] = Owned("Job")
        self.health: Owned[HealthEntry] = Owned("Health check")
        self.options: Owned[type[BaseModel]] = Owned("Options")
        self.provider_types: Owned[ProviderType] = Owned("Provider type")
        self.services: Owned[providers.Provider[Any]] = Owned("Service")
        self.routes: Owned[tuple[APIRouter, str]] = Owned("Routes")
        self.web_installers: Owned[WebInstaller] = Owned("Web app")
        self.on_error: Report = lambda owner, what, error: None
        self._all: tuple[Owned[Any], ...] = (
            self.chat_sources, self.synthesizer_sources, self.recognizer_sources, self.stage_entries, self.pages, self.cards,
            self.job_kinds, self.health, self.options, self.provider_types, self.services, self.routes,
            self.web_installers,
        )  # fmt: skip

    # ---- registration (called by registrars) ----

    def add_options(self, owner: str, model: type[BaseModel]) -> None:
        self._add(self.options, owner, owner, model)

    def add_service(self, owner: str, name: str, provider: providers.Provider[Any]) -> None:
        self._add(self.services, owner, f"{owner}.{name}", provider)

    def add_chat_source(self, owner: str, source: ChatModelSource) -> None:
        self._add(self.chat_sources, owner, source.id, source)

    def add_synthesizer_source(self, owner: str, source: SynthesizerSource) -> None:
        self._add(self.synthesizer_sources, owner, source.id, source)

    def add_recognizer_source(self, owner: str, source: RecognizerSource) -> None:
        self._add(self.recognizer_sources, owner, source.id, source)

    def add_stage(self, entry: StageEntry) -> None:
        self._add(self.stage_entries, entry.owner, entry.id, entry)

    def add_routes(self, owner: str, router: APIRouter, prefix: str) -> None:
        self._add(self.routes, owner, prefix, (router, prefix))

    def add_page(self, owner: str, page: Page) -> None:
        self._add(self.pages, owner, page.id, page)

    def add_card(self, owner: str, card: DashboardCard) -> None:
        self._add(self.cards, owner, card.id, card)

    def add_job_kind(self, owner: str, kind: str, handler: JobHandler, title: str, concurrency: int) -> None:
        job_id = f"{owner}.{kind}"
        self._add(self.job_kinds, owner, job_id, JobKind(job_id, owner, handler, title, concurrency))

    def add_health(self, entry: HealthEntry) -> None:
        self._add(self.health, entry.owner, entry.id, entry)

    def add_provider_type(self, owner: str, provider_type: ProviderType) -> None:
        self._add(self.provider_types, owner, provider_type.id, provider_type)

    def add_web_installer(self, owner: str, callback: WebInstaller) -> None:
        self._add(self.web_installers, owner, owner, callback)

    def add_translations(self, owner: str, folder: Traversable) -> None:
        i18n.register_catalogue(owner, folder)

    def _add(self, registry: Owned[T], owner: str, key: str, value: T) -> None:
        registry.add(owner, key, value)
        self.version += 1

    def remove_owner(self, owner: str) -> None:
        """Forget everything that a plugin brought."""
        for registry in self._all:
            registry.remove_owner(owner)
        i18n.unregister_catalogue(owner)
        self.version += 1

    # ---- look-ups ----

    def models(self) -> list[ModelInfo]:
        """Every model of every provider. A source that fails is left out and reported."""
        return self._snapshot(self.chat_sources, lambda source: source.models(), "models")

    def find_model(self, model_id: str) -> ChatModel | None:
        found: ChatModel | None = self._find(self.chat_sources, model_id)
        return found

    def voices(self) -> list[VoiceInfo]:
        return self._snapshot(self.synthesizer_sources, lambda source: source.voices(), "voices")

    def find_voice(self, voice_id: str) -> Synthesizer | None:
        """By full id, or by the bare name where only one engine has it."""
        found: Synthesizer | None = self._find(self.synthesizer_sources, voice_id)
        if found is None and "/" not in voice_id:
            named = [voice for voice in self.voices() if voice.id.partition("/")[2].casefold() == voice_id.casefold()]
            if len(named) == 1:
                found = self._find(self.synthesizer_sources, named[0].id)
        return found

    def recognizers(self) -> list[RecognizerInfo]:
        return self._snapshot(self.recognizer_sources, lambda source: source.recognizers(), "recognizers")

    def find_recognizer(self, recognizer_id: str) -> Recognizer | None:
        found: Recognizer | None = self._find(self.recognizer_sources, recognizer_id)
        return found

    def stages(self) -> list[StageEntry]:
        """In the order in which a turn meets them."""
        return sorted(self.stage_entries.values(), key=lambda entry: (entry.order, entry.id))

    def service(self, name: str) -> Any:
        """The instance of a plugin's service, `"<plugin>.<name>"`; KeyError if there is none."""
        provider = self.services.get(name)
        if provider is None:
            raise KeyError(name)
        return provider()

    def _snapshot(self, sources: Owned[Any], read: Callable[[Any], Sequence[T]], what: str) -> list[T]:
        found: list[T] = []
        for owner, source in sources.items():
            try:
                found.extend(read(source))
            except Exception as error:
                self.on_error(owner, what, error)
        return found

    def _find(self, sources: Owned[Any], key: str) -> Any | None:
        for owner, source in sources.items():
            try:
                found = source.find(key)
            except Exception as error:
                self.on_error(owner, "find", error)
                continue
            if found is not None:
                return found
        return None
