"""The catalogue of cloud models: live clients of the connected providers, made once and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ai_secretary.llm import ChatModel, ModelInfo
from ai_secretary.plugins.context import TaskOwner
from ai_secretary.plugins.provider_types import DescribesModels, ModelTraits, ProviderClient, ProviderType
from ai_secretary_llm_cloud.records import Draft, Provider

CLOSE_AFTER_S = 600.0
"""A client that was replaced stays open for the answers that it is still giving."""
_MOST_MODELS = 500


@dataclass(slots=True)
class _Live:
    provider: Provider
    kind: ProviderType
    client: ProviderClient
    models: dict[str, ChatModel]


class CloudModels:
    """`ChatModelSource` of all cloud providers. `replace_all` after every change; look-ups do no I/O."""

    id = "cloud"

    def __init__(self, find_type: Callable[[str], ProviderType | None], tasks: TaskOwner) -> None:
        self._find_type = find_type
        self._tasks = tasks
        self._live: dict[str, _Live] = {}
        self._providers: tuple[Provider, ...] = ()
        self._infos: tuple[ModelInfo, ...] | None = None

    @property
    def providers(self) -> tuple[Provider, ...]:
        """All connected providers in fallback order, the disabled ones too."""
        return self._providers

    def provider(self, provider_id: str) -> Provider | None:
        return next((provider for provider in self._providers if provider.id == provider_id), None)

    def replace_all(self, providers: Sequence[Provider]) -> None:
        self._providers = tuple(providers)
        self._infos = None
        current = {provider.id: provider for provider in providers if provider.draft.enabled}
        for provider_id, live in list(self._live.items()):
            provider = current.get(provider_id)
            if (
                provider is not None
                and provider.draft == live.provider.draft
                and self._find_type(provider.draft.type) is live.kind
            ):
                live.provider = provider
                continue
            del self._live[provider_id]
            self._tasks.spawn(_close_later(live.client), name=f"close-{provider_id}")

    # ---- ChatModelSource ----

    def models(self) -> Sequence[ModelInfo]:
        if self._infos is None:
            self._infos = tuple(
                self.info(provider.id, provider.draft, name, kind)
                for provider in self._providers
                if provider.draft.enabled and (kind := self._find_type(provider.draft.type)) is not None
                for name in (provider.draft.model, *provider.draft.more_models)
            )
        return self._infos

    def find(self, model_id: str) -> ChatModel | None:
        """Any model name of an enabled provider, also one that is not on offer: the provider knows its own models best."""
        provider_id, slash, name = model_id.partition("/")
        if not slash or not name:
            return None
        live = self._live_client(provider_id)
        if live is None:
            return None
        model = live.models.get(name)
        if model is None:
            if len(live.models) >= _MOST_MODELS:
                live.models.clear()
            info = self.info(provider_id, live.provider.draft, name, live.kind)
            model = live.models[name] = live.client.model(info, name)
        return model

    def _live_client(self, provider_id: str) -> _Live | None:
        live = self._live.get(provider_id)
        if live is not None:
            return live
        provider = self.provider(provider_id)
        if provider is None or not provider.draft.enabled:
            return None
        kind = self._find_type(provider.draft.type)
        if kind is None:
            return None
        live = self._live[provider_id] = _Live(provider, kind, kind.connect(provider.draft.connection(provider_id)), {})
        return live

    def client(self, provider_id: str) -> ProviderClient | None:
        """The live client of an enabled provider."""
        live = self._live_client(provider_id)
        return None if live is None else live.client

    @staticmethod
    def info(provider_id: str, draft: Draft, name: str, kind: ProviderType) -> ModelInfo:
        traits = kind.traits(name) if isinstance(kind, DescribesModels) else ModelTraits()
        priced = name == draft.model
        return ModelInfo(
            id=f"{provider_id}/{name}",
            title=name,
            provider_title=draft.name,
            context_window=draft.context_window or traits.context_window,
            supports_tools=traits.supports_tools,
            supports_json_schema=traits.supports_json_schema,
            supports_images=traits.supports_images,
            price_prompt=draft.price_prompt if priced else None,
            price_completion=draft.price_completion if priced else None,
            description=draft.description,
            metadata={"provider_type": draft.type, "stream_usage": draft.extra.get("stream_usage", True)},
        )

    async def close(self) -> None:
        live, self._live = list(self._live.values()), {}
        for entry in live:
            await entry.client.close()


async def _close_later(client: ProviderClient) -> None:
    try:
        await asyncio.sleep(CLOSE_AFTER_S)
    finally:
        await client.close()
