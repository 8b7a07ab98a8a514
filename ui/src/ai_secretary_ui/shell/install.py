"""Putting the admin into the server: once per process for NiceGUI, once per application for the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI
from nicegui import app as nicegui_app
from nicegui import core, ui
from nicegui.storage import Storage
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ai_secretary.access import SessionRevoked
from ai_secretary_ui import formatting, house, media, pictures
from ai_secretary_ui.shell import pages, session
from ai_secretary_ui.shell.assets import Assets
from ai_secretary_ui.shell.head import head_html
from ai_secretary_ui.shell.login import LoginPages
from ai_secretary_ui.shell.palette import palette

if TYPE_CHECKING:
    from ai_secretary.app import Application

MOUNT = "/ui"
RECONNECT_SECONDS = 20.0
_prepared: list[Assets] = []


def install(app: FastAPI, application: Application) -> None:
    """Mount the admin at `/ui`. The core leads browsers there from `/`."""
    house.enter(application)
    formatting.set_timezone(application.settings.timezone)
    if not _prepared:
        _prepare_nicegui()
    Storage.path = application.settings.data_dir / "ui"
    ui.run_with(
        app,
        mount_path=MOUNT,
        title="AI Secretary",
        favicon=pictures.FAVICON,
        dark=None,
        language=None,
        reconnect_timeout=RECONNECT_SECONDS,
        binding_refresh_interval=0.5,
        storage_secret=application.vault.derive("session").hex(),
        session_middleware_kwargs={"session_cookie": "secretary_ui", "same_site": "lax", "path": MOUNT},
        show_welcome_message=False,
    )
    application.bus.subscribe(SessionRevoked, session.end_sessions, owner="ui")


def _prepare_nicegui() -> None:
    assets = Assets()
    _prepared.append(assets)
    logging.getLogger("nicegui").setLevel(logging.WARNING)
    ui.button.default_props("unelevated no-caps")
    ui.input.default_props("outlined dense")
    ui.select.default_props("outlined dense options-dense")
    ui.number.default_props("outlined dense")
    ui.add_head_html(head_html(assets), shared=True)
    nicegui_app.mount("/assets", assets)
    login = LoginPages(assets)
    routes: list[tuple[str, str, Callable[[Request], object]]] = [
        ("/login", "GET", login.show),
        ("/login", "POST", login.enter),
        ("/logout", "POST", login.leave),
        ("/palette.json", "GET", palette),
        ("/media/speech/{ticket}", "GET", media.speech),
        ("/media/transcribe", "POST", media.transcribe),
    ]
    for path, method, endpoint in routes:
        nicegui_app.router.routes.append(Route(path, endpoint, methods=[method], include_in_schema=False))
    # pages may come late (a slow panel goes out with a skeleton), so the answer's own deadline is the guarded slot's
    ui.page("/", response_timeout=30)(_home)
    ui.page("/{page_id}", response_timeout=30)(_page)
    session.watch_events()
    core.sio.eio.cors_allowed_origins = None  # sockets from pages of this server only


async def _home(request: Request) -> Response | None:
    return await pages.serve(request, "")


async def _page(request: Request, page_id: str) -> Response | None:
    return await pages.serve(request, page_id)
