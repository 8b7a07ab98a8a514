"""The plugin: what it is and where it plugs in."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import ClassVar

from ai_secretary.dialogue import stage as orders
from ai_secretary.pages import Page
from ai_secretary.plugins import Health, Manifest, Plugin, PluginContext, hookimpl
from ai_secretary.plugins import registrars as r
from ai_secretary_faq import __version__
from ai_secretary_faq.actions import FaqActions
from ai_secretary_faq.catalogue import FaqCatalogue
from ai_secretary_faq.hits import HitCounter
from ai_secretary_faq.options import FaqOptions
from ai_secretary_faq.stage import FaqStage


class FaqPlugin(Plugin):
    manifest: ClassVar[Manifest] = Manifest(
        id="faq",
        title="FAQ",
        summary="Answers frequent questions word for word, before any model is asked: at once, free and always the same.",
        version=__version__,
        icon="quiz",
        capabilities=("stage", "routes", "page"),
    )

    async def setup(self, context: PluginContext) -> None:
        self.context = context
        self.catalogue = FaqCatalogue(context.database, context.bus, context.tasks, owner=context.plugin_id)
        self.hits = HitCounter(context.database, context.tasks)
        self.actions = FaqActions(context, self.catalogue, self.hits)

    async def start(self) -> None:
        await self.catalogue.refresh()
        self.context.tasks.spawn(self.catalogue.watch(), name="watch")

    async def stop(self) -> None:
        await self.hits.flush()

    def options(self) -> FaqOptions:
        return self.context.options(FaqOptions)

    @hookimpl
    def register_settings(self, registrar: r.SettingsRegistrar) -> None:
        registrar.add(FaqOptions)

    @hookimpl
    def register_migrations(self, registrar: r.MigrationsRegistrar) -> None:
        registrar.add(Path(__file__).parent / "migrations")

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_faq").joinpath("locale"))

    @hookimpl
    def register_services(self, registrar: r.ServicesRegistrar) -> None:
        from dependency_injector import providers

        registrar.add("actions", providers.Object(self.actions))

    @hookimpl
    def register_stages(self, registrar: r.StagesRegistrar) -> None:
        registrar.add(FaqStage(self.catalogue, self.hits, self.options), id="faq", title="FAQ", order=orders.FAQ)

    @hookimpl
    def register_routes(self, registrar: r.RoutesRegistrar) -> None:
        from ai_secretary_faq.api import build_router

        registrar.include(build_router(self.actions, registrar.context.settings.timezone), prefix="/admin/faq")

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        registrar.add(
            Page(
                id="faq",
                group="business",
                title="FAQ",
                icon="quiz",
                build="ai_secretary_faq.panel:build",
                permission="faq:read",
                order=100,
                keywords=("вопросы", "ответы", "questions", "answers"),
            )
        )

    @hookimpl
    def register_health(self, registrar: r.HealthRegistrar) -> None:
        registrar.add("faq", self.health, title="FAQ", icon="quiz")

    def health(self) -> Health:
        if not self.options().enabled:
            return Health("off", "The FAQ is switched off")
        if not self.catalogue.loaded:
            return Health("warning", "The FAQ is not loaded yet")
        return Health("ok", "The FAQ is loaded")


plugin = FaqPlugin()
