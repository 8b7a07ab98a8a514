"""The plugin: what it is and where it plugs in."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from ai_secretary.pages import Page
from ai_secretary.plugins import Health, Manifest, Plugin, PluginContext, hookimpl
from ai_secretary_llm_cloud import __version__

if TYPE_CHECKING:
    from ai_secretary.plugins import registrars as r
    from ai_secretary_llm_cloud.providers import CloudProviders


class CloudPlugin(Plugin):
    manifest: ClassVar[Manifest] = Manifest(
        id="llm_cloud",
        title="Cloud models",
        summary="Connects Gemini, Claude, OpenAI, Kimi, DeepSeek, OpenRouter and any OpenAI-compatible server by key.",
        version=__version__,
        icon="cloud",
        capabilities=("model", "routes", "page"),
        permissions=("network", "secrets"),
        licence_notes=("What is said in a conversation goes to the provider that answers; its terms apply.",),
    )

    def __init__(self) -> None:
        self._providers: CloudProviders | None = None

    @property
    def providers(self) -> CloudProviders:
        """The running service; only between `setup` and `stop`."""
        if self._providers is None:
            raise RuntimeError("the plugin llm_cloud is not running")
        return self._providers

    async def setup(self, context: PluginContext) -> None:
        from ai_secretary_llm_cloud.providers import CloudProviders

        self._context = context
        self._providers = CloudProviders(context)

    async def start(self) -> None:
        from ai_secretary_llm_cloud.seeding import seed

        # After the hooks: provider types, also those of other plugins, are known now.
        await self.providers.load()
        self._context.tasks.spawn(seed(self._context, self.providers), name="seed")

    async def stop(self) -> None:
        if self._providers is not None:
            await self._providers.models.close()
            self._providers = None

    @hookimpl
    def register_migrations(self, registrar: r.MigrationsRegistrar) -> None:
        registrar.add(Path(__file__).parent / "migrations")

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_llm_cloud").joinpath("locale"))

    @hookimpl
    def register_provider_types(self, registrar: r.ProviderTypesRegistrar) -> None:
        from ai_secretary_llm_cloud.types import built_in_types

        for kind in built_in_types():
            registrar.add(kind)

    @hookimpl
    def register_services(self, registrar: r.ServicesRegistrar) -> None:
        from dependency_injector import providers

        registrar.add("providers", providers.Object(self.providers))

    @hookimpl
    def register_chat_models(self, registrar: r.ChatModelsRegistrar) -> None:
        registrar.add(self.providers.models)

    @hookimpl
    def register_routes(self, registrar: r.RoutesRegistrar) -> None:
        from ai_secretary_llm_cloud.api import build_router, build_types_router

        registrar.include(build_router(self.providers), prefix="/admin/llm/providers")
        registrar.include(build_types_router(self.providers), prefix="/admin/llm/provider-types")

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        registrar.add(
            Page(
                id="cloud-models",
                group="engines",
                title="Cloud models",
                icon="cloud",
                build="ai_secretary_llm_cloud.panel:build",
                permission="llm:read",
                order=300,
                keywords=(
                    "ключ",
                    "провайдер",
                    "облако",
                    "key",
                    "provider",
                    "openai",
                    "gemini",
                    "claude",
                    "deepseek",
                    "kimi",
                    "vllm",
                ),
            )
        )

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("llm_cloud", self.health, title="Cloud models", icon="cloud")

    def health(self) -> Health:
        enabled = [provider for provider in self.providers.all() if provider.draft.enabled]
        if not enabled:
            return Health("off", "No provider is connected")
        known = {provider.model_id for provider in enabled}
        failing = [status for status in self._context.services.dialogue.model_status() if status.id in known and status.failures]
        if failing and len(failing) == len(known):
            return Health("error", "No provider answers", "Open the page of cloud models and test them.")
        if failing:
            return Health(
                "warning", "A provider does not answer; another model steps in", "Open the page of cloud models and test it."
            )
        return Health("ok", "Providers are connected")


plugin = CloudPlugin()
