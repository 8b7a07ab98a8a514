"""Manifest and hook implementations; nothing heavy is imported here."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from ai_secretary.pages import Page
from ai_secretary.plugins import Manifest, Needs, Plugin, PluginContext, hookimpl
from ai_secretary_llm_local.options import LocalModelOptions

if TYPE_CHECKING:
    from ai_secretary.plugins import registrars as r
    from ai_secretary_llm_local.service import LocalModels

MANIFEST = Manifest(
    id="llm_local",
    title="Models on this machine",
    summary="Runs GGUF model files with llama.cpp, each in a process of its own; finds, downloads and checks them.",
    version="0.1.0",
    icon="memory",
    capabilities=("model", "page", "routes", "job"),
    permissions=("network", "subprocess", "files"),
    needs=Needs(ram_mb=512),
    licence="Apache-2.0",
    licence_notes=(
        "The engine llama.cpp and its Python package are MIT.",
        "The embedded demo model SmolLM2 135M is Apache-2.0.",
        "Downloaded models have licences of their own; the catalogue names each.",
    ),
)


class LocalModelsPlugin(Plugin):
    manifest: ClassVar[Manifest] = MANIFEST

    def __init__(self) -> None:
        self._models: LocalModels | None = None

    @property
    def models(self) -> LocalModels:
        """The running service; only between `setup` and `stop`."""
        if self._models is None:
            raise RuntimeError("the plugin llm_local is not running")
        return self._models

    async def setup(self, context: PluginContext) -> None:
        from ai_secretary_llm_local.service import LocalModels

        self._models = LocalModels(context)
        await self._models.look_first()

    async def start(self) -> None:
        self.models.start()

    async def stop(self) -> None:
        if self._models is not None:
            await self._models.stop()
            self._models = None

    @hookimpl
    def register_settings(self, registrar: r.SettingsRegistrar) -> None:
        registrar.add(LocalModelOptions)

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_llm_local").joinpath("locale"))

    @hookimpl
    def register_services(self, registrar: r.ServicesRegistrar) -> None:
        from dependency_injector import providers

        registrar.add("models", providers.Object(self.models))

    @hookimpl
    def register_chat_models(self, registrar: r.ChatModelsRegistrar) -> None:
        registrar.add(self.models.source)

    @hookimpl
    def register_jobs(self, registrar: r.JobsRegistrar) -> None:
        from ai_secretary_llm_local.downloads import KIND

        registrar.add(KIND, self.models.downloads.orders.handle, title="Model download")

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("llm_local", self.models.health, title="Models on this machine", icon="memory")

    @hookimpl
    def register_routes(self, registrar: r.RoutesRegistrar) -> None:
        from ai_secretary_llm_local.api import build_catalogue_router, build_downloads_router, build_local_router

        registrar.include(build_local_router(self.models), prefix="/admin/llm/local")
        registrar.include(build_catalogue_router(self.models), prefix="/admin/llm/catalogue")
        registrar.include(build_downloads_router(self.models), prefix="/admin/llm/downloads")

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        registrar.add(
            Page(
                id="local-models",
                group="engines",
                title="Model files",
                icon="hard_drive",
                build="ai_secretary_llm_local.panel:build",
                permission="llm:read",
                order=400,
                keywords=("gguf", "llama", "download", "модели", "скачать", "файлы"),
            )
        )


plugin = LocalModelsPlugin()
