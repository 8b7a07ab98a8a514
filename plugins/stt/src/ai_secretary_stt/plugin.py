"""The plugin: what it is and where it plugs in."""

from __future__ import annotations

from importlib.resources import files
from typing import ClassVar

from ai_secretary.pages import Page
from ai_secretary.plugins import Health, Manifest, Needs, Plugin, PluginContext, hookimpl
from ai_secretary.plugins import registrars as r
from ai_secretary_stt import __version__
from ai_secretary_stt.downloads import KIND
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.recognizers import SttSource
from ai_secretary_stt.service import SttModels


class SttPlugin(Plugin):
    manifest: ClassVar[Manifest] = Manifest(
        id="stt",
        title="Speech recognition",
        summary="Turns speech into text on this machine: Whisper for whole phrases, Vosk while a person speaks.",
        version=__version__,
        icon="graphic_eq",
        capabilities=("recogniser", "routes", "page", "job"),
        permissions=("network", "subprocess", "files"),
        needs=Needs(ram_mb=400),
        licence_notes=(
            "The embedded Whisper model is under the MIT licence.",
            "Models that you download have licences of their own.",
        ),
    )

    async def setup(self, context: PluginContext) -> None:
        self.context = context
        self.models = SttModels(context)

    async def start(self) -> None:
        await self.models.start()

    async def stop(self) -> None:
        await self.models.stop()

    @hookimpl
    def register_settings(self, registrar: r.SettingsRegistrar) -> None:
        registrar.add(SttOptions)

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_stt").joinpath("locale"))

    @hookimpl
    def register_services(self, registrar: r.ServicesRegistrar) -> None:
        from dependency_injector import providers

        registrar.add("models", providers.Object(self.models))

    @hookimpl
    def register_recognizers(self, registrar: r.RecognizersRegistrar) -> None:
        for engine in ("whisper", "vosk"):
            registrar.add(SttSource(engine, self.models.library, self.models.engines, self.models.options, self.context.tasks))

    @hookimpl
    def register_jobs(self, registrar: r.JobsRegistrar) -> None:
        registrar.add(KIND, self.models.downloads.orders.handle, title="Download of a recognition model", concurrency=1)

    @hookimpl
    def register_routes(self, registrar: r.RoutesRegistrar) -> None:
        from ai_secretary_stt.api import build_router

        registrar.include(build_router(self.models), prefix="/admin/stt/models")

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        registrar.add(
            Page(
                id="recognition",
                group="engines",
                title="Recognition",
                icon="graphic_eq",
                build="ai_secretary_stt.panel:build",
                permission="stt:read",
                order=300,
                keywords=("распознавание", "речь", "микрофон", "whisper", "vosk", "speech", "stt"),
            )
        )

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("stt", self.health, title="Recognition", icon="graphic_eq")

    def health(self) -> Health:
        states = [listed.status.state for listed in self.models.installed()]
        if not states:
            problem = self.models.embedded_problem
            if problem is not None:
                return Health("error", problem.message, problem.hint)
            return Health("warning", "There is no recognition model yet", "Download one on the page “Recognition”.")
        if "ready" in states:
            return Health("ok", "Recognition is ready")
        if "loading" in states:
            return Health("ok", "Recognition is loading")
        if "idle" in states:
            return Health("ok", "Recognition loads at the first request")
        return Health("error", "No recogniser works", "Look at the reasons on the page “Recognition”.")


plugin = SttPlugin()
