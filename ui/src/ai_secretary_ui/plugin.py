"""The admin as a plugin: manifest and hooks. NiceGUI is imported only when the server is being put together."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from typing import TYPE_CHECKING, ClassVar

from ai_secretary.i18n import N_
from ai_secretary.pages import Page
from ai_secretary.plugins import Manifest, Plugin, hookimpl
from ai_secretary.plugins import registrars as r

if TYPE_CHECKING:
    from fastapi import FastAPI

    from ai_secretary.app import Application

PAGES = (
    Page("dashboard", "monitoring", N_("Dashboard"), "monitoring", "ai_secretary_ui.pages.dashboard:build", "dashboard:read", 100,
         ("home", "панель", "обзор", "главная", "дашборд")),
    Page("audit", "monitoring", N_("Audit"), "history", "ai_secretary_ui.pages.audit:build", "audit:read", 900,
         ("log", "журнал", "аудит", "кто что менял")),
    Page("llm", "engines", N_("Answer models"), "neurology", "ai_secretary_ui.pages.llm:build", "llm:read", 100,
         ("model", "persona", "prompt", "модель", "характер", "персона", "температура")),
    Page("voices", "engines", N_("Voices"), "record_voice_over", "ai_secretary_ui.pages.voices:build", "voices:read", 200,
         ("speech", "tts", "голос", "озвучка", "речь")),
    Page("chat", "channels", N_("Chat"), "chat", "ai_secretary_ui.pages.chat:build", "chat:read", 100,
         ("conversation", "talk", "чат", "разговор", "диалог")),
    Page("plugins", "system", N_("Plugins"), "extension", "ai_secretary_ui.pages.plugins:build", "plugins:read", 100,
         ("extensions", "плагины", "расширения")),
    Page("users", "system", N_("Users & keys"), "group", "ai_secretary_ui.pages.users:build", "users:admin", 200,
         ("api key", "password", "пользователи", "ключи", "пароль", "роль")),
    Page("about", "system", N_("About"), "info", "ai_secretary_ui.pages.about:build", "dashboard:read", 950,
         ("help", "version", "licence", "помощь", "версия", "о программе")),
)  # fmt: skip


class UiPlugin(Plugin):
    """The web admin."""

    manifest: ClassVar[Manifest] = Manifest(
        id="ui",
        title="Admin",
        summary="The web admin: dashboard, chat, models, voices, plugins, users.",
        version="0.1.0",
        icon="web",
        capabilities=("page", "routes"),
        permissions=("personal_data", "microphone"),
        licence="Apache-2.0",
        licence_notes=("Golos Text and JetBrains Mono: SIL OFL 1.1. Material Symbols: Apache-2.0.",),
        reload="restart",
    )

    @hookimpl
    def register_translations(self, registrar: r.TranslationsRegistrar) -> None:
        registrar.add(files("ai_secretary_ui").joinpath("locale"))

    @hookimpl
    def register_pages(self, registrar: r.PagesRegistrar) -> None:
        for page in PAGES:
            registrar.add(page)

    @hookimpl
    def register_web(self, registrar: r.WebRegistrar) -> None:
        registrar.install(install)


@contextmanager
def _without(*modules: str) -> Iterator[None]:
    """Imports inside the block do not find these modules, unless they are loaded already.

    python-socketio imports the clients of every broker that is installed, for managers that we do not use: a third of a second.
    """
    hidden = [name for name in modules if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # documented: an import then raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def install(app: FastAPI, application: Application) -> None:
    """Mount the admin; imports NiceGUI."""
    with _without("redis", "valkey", "aio_pika", "kombu", "kafka", "aiokafka"):
        from ai_secretary_ui.shell.install import install as mount

    mount(app, application)


plugin = UiPlugin()
