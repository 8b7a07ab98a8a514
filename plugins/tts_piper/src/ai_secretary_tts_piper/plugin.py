"""The plugin: what it is and where it plugs in."""

from __future__ import annotations

from importlib.resources import files
from typing import ClassVar

from ai_secretary.pages import Page
from ai_secretary.plugins import Manifest, Needs, Plugin, PluginContext, hookimpl
from ai_secretary.plugins import registrars as r
from ai_secretary_tts_piper import __version__
from ai_secretary_tts_piper.downloads import KIND
from ai_secretary_tts_piper.options import PiperOptions
from ai_secretary_tts_piper.service import PiperVoices


class PiperPlugin(Plugin):
    manifest: ClassVar[Manifest] = Manifest(
        id="tts_piper",
        title="Piper voices",
        summary="Natural voices in many languages, made on this machine by an ordinary processor.",
        version=__version__,
        icon="record_voice_over",
        capabilities=("voice", "routes", "page", "job"),
        permissions=("network", "subprocess", "files"),
        needs=Needs(ram_mb=250),
        licence="GPL-3.0-or-later",
        licence_notes=(
            "Piper and its pronunciation data are under GPL-3.0-or-later, and so is this plugin.",
            "The embedded English voice is free for any use (CC0 recordings).",
            "Voices that you download have licences of their own; some exclude business use. Read the voice's model card.",
        ),
    )

    async def setup(self, context: PluginContext) -> None:
        self.voices = PiperVoices(context)

    async def start(self) -> None:
        await self.voices.start()

    async def stop(self) -> None:
        await self.voices.stop()

    @hookimpl
    def register_settings(self, registrar: r.SettingsRegistrar) -> None:
        registrar.add(PiperOptions)

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_tts_piper").joinpath("locale"))

    @hookimpl
    def register_services(self, registrar: r.ServicesRegistrar) -> None:
        from dependency_injector import providers

        registrar.add("voices", providers.Object(self.voices))

    @hookimpl
    def register_synthesizers(self, registrar: r.SynthesizersRegistrar) -> None:
        registrar.add(self.voices)

    @hookimpl
    def register_jobs(self, registrar: r.JobsRegistrar) -> None:
        registrar.add(KIND, self.voices.downloads.orders.handle, title="Download of a voice", concurrency=2)

    @hookimpl
    def register_routes(self, registrar: r.RoutesRegistrar) -> None:
        from ai_secretary_tts_piper.api import build_router

        registrar.include(build_router(self.voices), prefix="/admin/tts/piper")

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        registrar.add(
            Page(
                id="piper-voices",
                group="engines",
                title="Piper voices",
                icon="record_voice_over",
                build="ai_secretary_tts_piper.panel:build",
                permission="tts:read",
                order=250,
                keywords=("голоса", "голос", "озвучка", "piper", "voices", "speech", "tts", "dmitri", "irina"),
            )
        )

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("piper", self.voices.health, title="Piper voices", icon="record_voice_over")


plugin = PiperPlugin()
