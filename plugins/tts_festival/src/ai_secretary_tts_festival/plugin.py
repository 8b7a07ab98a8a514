"""The plugin: what it is and where it plugs in."""

from __future__ import annotations

from importlib.resources import files
from typing import ClassVar

from ai_secretary.plugins import Manifest, Needs, Plugin, PluginContext, hookimpl
from ai_secretary.plugins import registrars as r
from ai_secretary_tts_festival import __version__
from ai_secretary_tts_festival.options import FestivalOptions
from ai_secretary_tts_festival.voice import FestivalVoice


class FestivalPlugin(Plugin):
    manifest: ClassVar[Manifest] = Manifest(
        id="tts_festival",
        title="Festival voice",
        summary="A Russian voice without any download: Debian's speech synthesiser Festival.",
        version=__version__,
        icon="record_voice_over",
        capabilities=("voice",),
        permissions=("subprocess",),
        needs=Needs(ram_mb=120, system_packages=("festival", "festvox-ru")),
        licence_notes=("Festival and its voice come from Debian under licences of their own (BSD-like).",),
    )

    async def setup(self, context: PluginContext) -> None:
        self.voice = FestivalVoice(lambda: context.options(FestivalOptions))

    async def start(self) -> None:
        self.voice.look()

    async def stop(self) -> None:
        await self.voice.worker.stop()

    @hookimpl
    def register_settings(self, registrar: r.SettingsRegistrar) -> None:
        registrar.add(FestivalOptions)

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_tts_festival").joinpath("locale"))

    @hookimpl
    def register_synthesizers(self, registrar: r.SynthesizersRegistrar) -> None:
        registrar.add(self.voice)

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("festival", self.voice.health, title="Festival voice", icon="record_voice_over")


plugin = FestivalPlugin()
