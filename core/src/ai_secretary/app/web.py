"""The web application: one ASGI app of four layers.

`HttpLayer` (request id, headers, body limit, log line) → the gateway of `/v1` where the request is its own → `RateLimitLayer` →
FastAPI with the core's routers, the plugins' routers and whatever web app a plugin installed (the admin).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from ai_secretary import __version__
from ai_secretary.access import Principal
from ai_secretary.api import audit, auth, chat, health, jobs, keys, legacy, llm, plugins, stt, tts, users, v1, voices
from ai_secretary.api.middleware import HttpLayer, RateLimitLayer
from ai_secretary.api.openapi import install_openapi
from ai_secretary.api.problems import install_problems
from ai_secretary.api.security import require
from ai_secretary.api.v1 import Gateway
from ai_secretary.plugins.records import PluginChanged

if TYPE_CHECKING:
    from ai_secretary.app.application import Application

log = structlog.get_logger(__name__)

ROUTERS = (health, auth, users, keys, audit, chat, llm, voices, tts, stt, plugins, jobs, legacy, v1)


class PluginRoutes:
    """Keeps the running application's routes in step with what plugins have registered."""

    def __init__(self, app: FastAPI, application: Application) -> None:
        self._app = app
        self._application = application
        self._mounted: dict[str, tuple[APIRouter, list[BaseRoute]]] = {}
        application.bus.subscribe(PluginChanged, lambda _event: self.refresh())

    def refresh(self) -> None:
        wanted = {prefix: router for router, prefix in self._application.registries.routes.values()}
        routes = self._app.router.routes
        changed = False
        for prefix in [prefix for prefix, (router, _) in self._mounted.items() if wanted.get(prefix) is not router]:
            _, added = self._mounted.pop(prefix)
            routes[:] = [route for route in routes if not any(route is one for one in added)]
            changed = True
        for prefix, router in wanted.items():
            if prefix not in self._mounted:
                before = len(routes)
                self._app.include_router(router, prefix=prefix)
                self._mounted[prefix] = (router, list(routes[before:]))
                # plugin routes come before whatever catches everything (the admin's mount)
                added = routes[before:]
                del routes[before:]
                routes[0:0] = added
                changed = True
        if changed:
            self._app.openapi_schema = None


def build_web(application: Application) -> ASGIApp:
    """Everything that answers HTTP. Call once, after the application is open."""
    app = FastAPI(
        title="AI Secretary",
        version=__version__,
        summary="An assistant that answers for you: the administration API, and an OpenAI-compatible API under /v1.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.state.secretary = application
    install_problems(app)
    install_openapi(app)
    for module in ROUTERS:
        app.include_router(module.build_router(application))
    app.include_router(_doors(application))
    for owner, install in application.registries.web_installers.items():
        try:
            install(app, application)
        except Exception as error:
            application.guard.report(owner, "register_web", error)
    application.plugin_routes = PluginRoutes(app, application)
    application.plugin_routes.refresh()

    gateway = Gateway(application)
    inner = RateLimitLayer(app, application.access, application.limits)

    async def front(scope: Scope, receive: Receive, send: Send) -> None:
        if gateway.handles(scope):
            await gateway(scope, receive, send)
        else:
            await inner(scope, receive, send)

    return HttpLayer(front, application.settings, application.metrics)


def _doors(application: Application) -> APIRouter:
    """The front door for people, and the figures for Prometheus."""
    router = APIRouter(tags=["health"])

    @router.get("/", include_in_schema=False)
    @router.get("/admin", include_in_schema=False)
    @router.get("/admin/", include_in_schema=False)
    async def front_door(request: Request) -> Response:
        """A browser goes to the admin; a program is told what this is."""
        has_ui = len(application.registries.web_installers) > 0
        if has_ui and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/ui/", status_code=307)
        return JSONResponse(
            {
                "service": "AI Secretary",
                "status": "ok",
                "version": __version__,
                "endpoints": {"admin": "/ui/", "openai": "/v1", "health": "/health", "openapi": "/openapi.json"},
            }
        )

    @router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
    async def metrics(principal: Principal = Depends(require("metrics:read"))) -> Response:
        media_type, body = await asyncio.to_thread(application.metrics.render)
        return Response(body, media_type=media_type)

    return router
