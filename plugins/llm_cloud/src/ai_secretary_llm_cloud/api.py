"""`/admin/llm/providers` and `/admin/llm/provider-types`: thin endpoints over `CloudProviders`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, status
from pydantic import SecretStr

from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.context import current_request
from ai_secretary.i18n import set_language
from ai_secretary_llm_cloud.providers import CloudProviders
from ai_secretary_llm_cloud.records import Draft, Provider
from ai_secretary_llm_cloud.schemas import (
    ModelNames,
    Order,
    ProviderIn,
    ProviderList,
    ProviderOut,
    ProviderPatch,
    ProviderTypeList,
    ProviderTypeOut,
    SetDefaultOut,
    TrialOut,
)
from ai_secretary_llm_cloud.trial import Trial
from ai_secretary_llm_cloud.wording import trial_hint, trial_message


def build_types_router(providers: CloudProviders) -> APIRouter:
    router = APIRouter(tags=["llm"], responses=ERRORS)

    @router.get("", dependencies=[Depends(require("llm:read"))], summary="Types of provider that can be connected")
    async def provider_types() -> ProviderTypeList:
        return ProviderTypeList(
            provider_types=[
                ProviderTypeOut(
                    id=kind.id,
                    title=kind.title,
                    default_base_url=kind.default_base_url,
                    default_models=list(kind.default_models),
                    requires_base_url=kind.requires_base_url,
                    requires_key=kind.requires_key,
                    key_url=kind.key_url,
                    owner=owner,
                )
                for owner, kind in providers.types()
            ]
        )

    return router


def build_router(providers: CloudProviders) -> APIRouter:
    router = APIRouter(tags=["llm"], responses=ERRORS)
    reader, writer = Depends(require("llm:read")), Depends(require("llm:write"))

    def shown(provider: Provider) -> ProviderOut:
        kind = providers.type(provider.draft.type)
        title = kind.title if kind is not None else provider.draft.type
        return ProviderOut.of(provider, type_title=title, is_default=providers.is_default(provider))

    @router.get("", dependencies=[reader], summary="Connected providers, in fallback order")
    async def list_providers(
        enabled_only: Annotated[bool, Query(description="Leave out those that are switched off")] = False,
    ) -> ProviderList:
        found = [provider for provider in providers.all() if provider.draft.enabled or not enabled_only]
        return ProviderList(providers=[shown(provider) for provider in found])

    @router.post("", dependencies=[writer], status_code=status.HTTP_201_CREATED, summary="Connect a provider")
    async def create_provider(body: ProviderIn) -> ProviderOut:
        return shown(await providers.create(draft_of(body), make_default=body.is_default))

    @router.post("/test", dependencies=[writer], summary="Try a provider before it is saved: a real short answer")
    async def test_draft(body: ProviderIn) -> TrialOut:
        return trial_out(await providers.test_draft(draft_of(body)))

    @router.post("/order", dependencies=[writer], summary="Set the fallback order")
    async def order(body: Order) -> ProviderList:
        await providers.reorder(body.ids)
        return ProviderList(providers=[shown(provider) for provider in providers.all()])

    @router.get("/{provider_id}", dependencies=[reader], summary="One provider; its key is never returned")
    async def get_provider(provider_id: str) -> ProviderOut:
        return shown(await providers.get(provider_id))

    @router.put("/{provider_id}", dependencies=[writer], summary="Change fields of a provider")
    async def update_provider(provider_id: str, body: ProviderPatch) -> ProviderOut:
        return shown(await providers.update(provider_id, plain(body.model_dump(exclude_unset=True))))

    @router.delete("/{provider_id}", dependencies=[writer], status_code=status.HTTP_204_NO_CONTENT, summary="Delete a provider")
    async def delete_provider(provider_id: str) -> None:
        await providers.delete(provider_id)

    @router.post("/{provider_id}/test", dependencies=[writer], summary="Try a provider: a real short answer of its model")
    async def test_provider(provider_id: str) -> TrialOut:
        return trial_out(await providers.test(provider_id))

    @router.post("/{provider_id}/set-default", dependencies=[writer], summary="Let its model answer first")
    async def set_default(provider_id: str) -> SetDefaultOut:
        return SetDefaultOut(model=(await providers.set_default(provider_id)).model_id)

    @router.get("/{provider_id}/models", dependencies=[reader], summary="Models that the key may use")
    async def models(
        provider_id: str, refresh: Annotated[bool, Query(description="Ask the provider again")] = False
    ) -> ModelNames:
        names, cached = await providers.list_models(provider_id, refresh=refresh)
        return ModelNames(models=list(names), cached=cached)

    return router


def trial_out(trial: Trial) -> TrialOut:
    request = current_request()
    if request is not None and request.language is not None:
        set_language(request.language)
    return TrialOut.of(trial, trial_message(trial), trial_hint(trial))


def draft_of(body: ProviderIn) -> Draft:
    values = plain(body.model_dump(exclude={"is_default"}))
    given = {name: value for name, value in values.items() if value is not None}
    return Draft(**{"model": "", **given})


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Secrets as text and lists as tuples, as a draft has them."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, SecretStr):
            made[name] = value.get_secret_value()
        elif isinstance(value, list):
            made[name] = tuple(item.get_secret_value() if isinstance(item, SecretStr) else item for item in value)
        else:
            made[name] = value
    return made
