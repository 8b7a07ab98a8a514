"""What endpoints and pages do with providers: one transaction each, audited, effective at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ai_secretary.audit import AuditEvent
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.errors import Conflict, ProviderTimeout
from ai_secretary.plugins.provider_types import ProviderClient, ProviderType
from ai_secretary_llm_cloud.drafts import check
from ai_secretary_llm_cloud.records import Draft, Provider
from ai_secretary_llm_cloud.repository import ProviderRepository
from ai_secretary_llm_cloud.service import ProviderService, find_type, merge
from ai_secretary_llm_cloud.source import CloudModels
from ai_secretary_llm_cloud.trial import Trial, try_out

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from ai_secretary.plugins import PluginContext

LISTING_S = 20.0
LISTING_KEPT_S = 600.0
"""How long a provider's list of models is good."""
_SECRET = frozenset({"api_key", "proxies"})


class CloudProviders:
    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.models = CloudModels(self.type, context.tasks)
        self._listings: dict[str, tuple[float, tuple[str, ...]]] = {}

    # ---- reading ----

    def types(self) -> list[tuple[str, ProviderType]]:
        """(plugin, type) in the order of registration."""
        return list(self._context.registries.provider_types.items())

    def type(self, type_id: str) -> ProviderType | None:
        return self._context.registries.provider_types.get(type_id)

    def all(self) -> tuple[Provider, ...]:
        """In fallback order."""
        return self.models.providers

    async def get(self, provider_id: str) -> Provider:
        """Raises `NotFound`."""
        async with self._context.database.session() as session:
            return await ProviderService(session, self.type).get(provider_id)

    def is_default(self, provider: Provider) -> bool:
        return (self._dialogue().model or "").startswith(f"{provider.id}/")

    async def load(self) -> None:
        """Read the table; from then on models are found without I/O."""
        async with self._context.database.session() as session:
            self.models.replace_all(await ProviderRepository(session).all())

    # ---- changing ----

    async def create(self, draft: Draft, *, make_default: bool = False) -> Provider:
        """Raises `InvalidInput`."""
        taken = {source.id for source in self._context.registries.chat_sources.values()}
        taken |= {info.id.partition("/")[0] for info in self._context.registries.models()}
        async with self._changing() as service:
            provider = await service.create(draft, taken)
        self._audit("llm.provider_create", provider.id, {"name": provider.draft.name, "type": provider.draft.type})
        await self.load()
        if make_default:
            await self.set_default(provider.id)
        return provider

    async def update(self, provider_id: str, changes: Mapping[str, Any]) -> Provider:
        """Absent keeps, None clears. Raises `NotFound`, `InvalidInput`."""
        async with self._changing() as service:
            before, after = await service.update(provider_id, changes)
        changed = {
            name: _shown(name, after.draft) for name in changes if getattr(before.draft, name) != getattr(after.draft, name)
        }
        if before.draft.api_key != after.draft.api_key:
            changed["api_key"] = _shown("api_key", after.draft)
        self._audit("llm.provider_update", provider_id, changed)
        self._listings.pop(provider_id, None)
        await self.load()
        if after.draft.model != before.draft.model:
            await self._rename_choice(before.model_id, after.model_id)
        self._forgive(after)
        return after

    async def delete(self, provider_id: str) -> None:
        """Its models leave the order of answer with it. Raises `NotFound`."""
        async with self._changing() as service:
            provider = await service.delete(provider_id)
        self._listings.pop(provider_id, None)
        preferences = self._dialogue()
        prefix = f"{provider_id}/"
        kept = tuple(name for name in preferences.fallbacks if not name.startswith(prefix))
        model = None if (preferences.model or "").startswith(prefix) else preferences.model
        if (model, kept) != (preferences.model, preferences.fallbacks):
            await self._choose(preferences.model_copy(update={"model": model, "fallbacks": kept}))
        self._audit("llm.provider_delete", provider_id, {"name": provider.draft.name, "type": provider.draft.type})
        await self.load()

    async def set_default(self, provider_id: str) -> Provider:
        """Its model answers first from now on, in every channel. Raises `NotFound`, `Conflict` for one that is switched off."""
        provider = await self.get(provider_id)
        if not provider.draft.enabled:
            raise Conflict(
                "{name} is switched off", name=provider.draft.name, code="provider_disabled", hint="Switch the provider on first."
            )
        await self._choose(self._dialogue().model_copy(update={"model": provider.model_id}))
        self._audit("llm.provider_set_default", provider_id, {"model": provider.model_id})
        self._forgive(provider)
        return provider

    async def reorder(self, ids: Sequence[str]) -> None:
        """The order in which providers are shown, and in which their models step in when the first one fails."""
        async with self._changing() as service:
            await service.reorder(ids)
        await self.load()
        preferences = self._dialogue()
        ours = {provider.id for provider in self.all()}
        others = [name for name in preferences.fallbacks if name.partition("/")[0] not in ours]
        cloud = [
            provider.model_id for provider in self.all() if provider.draft.enabled and provider.model_id != preferences.model
        ]
        await self._choose(preferences.model_copy(update={"fallbacks": (*cloud, *others)}))
        self._audit("llm.provider_order", "", {"ids": list(ids)})

    # ---- asking ----

    async def test(self, provider_id: str) -> Trial:
        """A real short answer of its model, with the settings as they are stored. Raises `NotFound`."""
        provider = await self.get(provider_id)
        trial = await self._try(provider.draft, provider.id)
        if trial.ok:
            self._forgive(provider)
        self._audit("llm.provider_test", provider_id, {"ok": trial.ok, "code": trial.error.code if trial.error else ""})
        return trial

    async def test_draft(self, draft: Draft, *, stored: str | None = None, changes: Mapping[str, Any] | None = None) -> Trial:
        """Try what is not saved yet; with `stored`, a provider with `changes`. Raises `InvalidInput`, `NotFound`."""
        if stored is not None:
            draft = merge((await self.get(stored)).draft, changes or {})
        return await self._try(draft, stored or "draft")

    async def _try(self, draft: Draft, provider_id: str) -> Trial:
        kind = self._type_of(draft)
        checked = check(draft, kind)
        client = kind.connect(checked.connection(provider_id))
        try:
            return await try_out(client, self.models.info(provider_id, checked, checked.model, kind), checked.model)
        finally:
            await client.close()

    async def list_models(self, provider_id: str, *, refresh: bool = False) -> tuple[tuple[str, ...], bool]:
        """Names that the key may use, and whether they were kept from before. Raises `NotFound`, `ProviderError`."""
        known = self._listings.get(provider_id)
        if known is not None and not refresh and time.monotonic() - known[0] < LISTING_KEPT_S:
            return known[1], True
        provider = await self.get(provider_id)
        kind = self._type_of(provider.draft)
        names = await self._names(kind, provider.draft, provider_id)
        self._listings[provider_id] = (time.monotonic(), names)
        return names, False

    async def list_models_of_draft(self, draft: Draft) -> tuple[str, ...]:
        """The same before anything is saved, for the form. The model of the draft may be missing."""
        kind = self._type_of(draft)
        placeholder = draft.model or next(iter(kind.default_models), "any")
        return await self._names(kind, check(replace(draft, model=placeholder), kind), "draft")

    async def _names(self, kind: ProviderType, draft: Draft, provider_id: str) -> tuple[str, ...]:
        client: ProviderClient = kind.connect(draft.connection(provider_id))
        try:
            async with asyncio.timeout(LISTING_S):
                return tuple(await client.list_models())
        except TimeoutError as error:
            raise ProviderTimeout("{provider} did not answer in time", provider=draft.name) from error
        finally:
            await client.close()

    # ---- inside ----

    def _type_of(self, draft: Draft) -> ProviderType:
        return find_type(self.type, draft.type)

    @asynccontextmanager
    async def _changing(self) -> AsyncIterator[ProviderService]:
        async with self._context.database.transaction() as session:
            yield ProviderService(session, self.type)

    def _dialogue(self) -> DialoguePreferences:
        return self._context.preferences.get(SUBJECT, DialoguePreferences)

    async def _choose(self, preferences: DialoguePreferences) -> None:
        await self._context.preferences.set(SUBJECT, preferences)

    async def _rename_choice(self, old: str, new: str) -> None:
        """The provider has another model now: where the old one was chosen, the new one is."""
        preferences = self._dialogue()
        model = new if preferences.model == old else preferences.model
        fallbacks = tuple(new if name == old else name for name in preferences.fallbacks)
        if (model, fallbacks) != (preferences.model, preferences.fallbacks):
            await self._choose(preferences.model_copy(update={"model": model, "fallbacks": fallbacks}))

    def _forgive(self, provider: Provider) -> None:
        """A new key or address: ask at once, whatever failed before."""
        self._context.services.dialogue.router.forgive(provider.model_id)

    def _audit(self, action: str, provider_id: str, details: dict[str, Any]) -> None:
        self._context.audit.record(AuditEvent(action, "llm_provider", provider_id, details))


def _shown(name: str, draft: Draft) -> Any:
    """A field's value as the audit may show it: of secrets only whether there is one."""
    value = getattr(draft, name)
    if name in _SECRET:
        return "set" if value else "cleared"
    return list(value) if isinstance(value, tuple) else value
