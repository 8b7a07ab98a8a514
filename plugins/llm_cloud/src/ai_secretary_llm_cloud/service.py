"""The rules of connected providers. Works inside a session and never commits: the caller's boundary does."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.errors import InvalidInput, NotFound
from ai_secretary.plugins.provider_types import ProviderType
from ai_secretary.storage import now
from ai_secretary_llm_cloud.drafts import check, slug
from ai_secretary_llm_cloud.records import Draft, Provider
from ai_secretary_llm_cloud.repository import ProviderRepository

FindType = Callable[[str], ProviderType | None]
_CLEARED: Mapping[str, Any] = {
    "api_key": "",
    "base_url": "",
    "model": "",
    "more_models": (),
    "price_prompt": None,
    "price_completion": None,
    "context_window": None,
    "proxies": (),
    "description": "",
    "timeout_s": 60.0,
}
"""What a field becomes when an update says null. Fields that are not here cannot be empty."""


class ProviderService:
    def __init__(self, session: AsyncSession, find_type: FindType) -> None:
        self._providers = ProviderRepository(session)
        self._find_type = find_type

    async def get(self, provider_id: str) -> Provider:
        provider = await self._providers.get(provider_id)
        if provider is None:
            raise NotFound("There is no provider {id}", id=provider_id[:60], code="provider_not_found")
        return provider

    async def create(self, draft: Draft, taken: Collection[str]) -> Provider:
        """`taken`: prefixes of model ids that others use."""
        checked = check(draft, self.type_of(draft.type))
        existing = await self._providers.all()
        provider_id = slug(checked.name, checked.type, {*taken, *(provider.id for provider in existing)})
        moment = now()
        provider = Provider(provider_id, checked, await self._providers.next_position(), moment, moment)
        await self._providers.add(provider)
        return provider

    async def update(self, provider_id: str, changes: Mapping[str, Any]) -> tuple[Provider, Provider]:
        """Change the given fields: null clears, absent keeps. Returns the provider before and after."""
        before = await self.get(provider_id)
        draft = merge(before.draft, changes)
        await self._providers.replace(provider_id, check(draft, self.type_of(draft.type)))
        return before, await self.get(provider_id)

    async def delete(self, provider_id: str) -> Provider:
        provider = await self.get(provider_id)
        await self._providers.delete(provider_id)
        return provider

    async def reorder(self, ids: Sequence[str]) -> None:
        known = {provider.id for provider in await self._providers.all()}
        unknown = [provider_id for provider_id in ids if provider_id not in known]
        if unknown:
            raise NotFound("There is no provider {id}", id=unknown[0][:60], code="provider_not_found")
        if len(set(ids)) != len(ids):
            raise InvalidInput("A provider stands in the list twice", field="ids", code="provider_twice")
        await self._providers.set_order(ids)

    def type_of(self, type_id: str) -> ProviderType:
        return find_type(self._find_type, type_id)


def find_type(find: FindType, type_id: str) -> ProviderType:
    """Raises `InvalidInput` for a type that nobody has registered."""
    kind = find(type_id)
    if kind is None:
        raise InvalidInput(
            "There is no provider type {type}",
            type=type_id[:60],
            field="type",
            code="provider_type_unknown",
            hint="It may belong to a plugin that is switched off.",
        )
    return kind


def merge(draft: Draft, changes: Mapping[str, Any]) -> Draft:
    known = {field.name for field in fields(Draft)}
    given: dict[str, Any] = {}
    for name, value in changes.items():
        if name not in known:
            raise InvalidInput("There is no field {name}", name=name[:60], field=name[:60], code="field_unknown")
        if value is None and name not in _CLEARED:
            raise InvalidInput("{name} cannot be empty", name=name, field=name, code="field_required")
        given[name] = _CLEARED[name] if value is None else value
    moved = ("type" in given and given["type"] != draft.type) or ("base_url" in given and given["base_url"] != draft.base_url)
    if moved and draft.api_key and "api_key" not in given:
        # Otherwise whoever may change an address could have the stored key sent to a server of theirs.
        given["api_key"] = ""
    return replace(draft, **given)
