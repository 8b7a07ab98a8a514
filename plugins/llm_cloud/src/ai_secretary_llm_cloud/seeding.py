"""Providers from the settings of older installations (`VLLM_API_URL`, `GEMINI_API_KEY` …), made once and then the admin's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from pydantic import BaseModel

from ai_secretary.errors import SecretaryError
from ai_secretary_llm_cloud.records import Draft

if TYPE_CHECKING:
    from ai_secretary.plugins import PluginContext
    from ai_secretary_llm_cloud.providers import CloudProviders

log = structlog.get_logger(__name__)

SUBJECT = "llm_cloud.seeded"
RETRY_S = 15.0


class Seeded(BaseModel):
    """What has been taken over; a provider that the admin deletes does not come back."""

    gemini: bool = False
    vllm: bool = False


async def seed(context: PluginContext, providers: CloudProviders, *, retry_s: float = RETRY_S) -> None:
    """Runs in the background: a model server may start later than we do."""
    settings = context.settings
    if settings.gemini_api_key is not None and not _done(context).gemini:
        key = settings.gemini_api_key.get_secret_value()
        await _make(
            context, providers, Draft(name="Gemini", type="gemini", model=settings.gemini_model or "", api_key=key), "gemini"
        )
    if settings.vllm_api_url and not _done(context).vllm:
        draft = Draft(name="vLLM", type="custom", model=settings.vllm_model_name or "", base_url=settings.vllm_api_url)
        while not draft.model:
            try:
                names = await providers.list_models_of_draft(draft)
            except SecretaryError as error:
                if error.code in {"base_url_invalid", "address_forbidden"}:
                    log.error("vllm_address_invalid", reason=error.message)
                    return
                names = ()
            if names:
                draft = Draft(name=draft.name, type=draft.type, model=names[0], base_url=draft.base_url)
            else:
                await asyncio.sleep(retry_s)
        await _make(context, providers, draft, "vllm")


def _done(context: PluginContext) -> Seeded:
    return context.preferences.get(SUBJECT, Seeded)


async def _make(context: PluginContext, providers: CloudProviders, draft: Draft, name: str) -> None:
    try:
        await providers.create(draft)
    except SecretaryError as error:
        log.error("provider_seed_failed", provider=draft.name, reason=error.message)
        return
    await context.preferences.set(SUBJECT, _done(context).model_copy(update={name: True}))
