"""`/health`: is the server up, and what of it is not well. Public, so it names no secrets, paths or versions of libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field

from ai_secretary import __version__
from ai_secretary.access import Principal
from ai_secretary.api.security import require
from ai_secretary.plugins.health import HealthReport

if TYPE_CHECKING:
    from ai_secretary.app import Application


class Part(BaseModel):
    """One checked part of the system."""

    id: str
    owner: str = Field(description="Plugin that it belongs to, or core")
    title: str
    state: Literal["ok", "warning", "error", "off"]
    summary: str
    hint: str = ""


class HealthReply(BaseModel):
    status: Literal["healthy", "degraded"]
    version: str
    uptime_seconds: float
    services: dict[str, str] = Field(description="State per part: ok, warning, error, off, starting")


class StatusReply(HealthReply):
    parts: list[Part]
    database: dict[str, Any]
    plugins: dict[str, str]
    models: int
    voices: int
    recognizers: int


def _parts(reports: list[HealthReport]) -> list[Part]:
    return [
        Part(id=item.id, owner=item.owner, title=item.title, state=item.state, summary=item.summary, hint=item.hint)
        for item in reports
    ]


def build_router(application: Application) -> APIRouter:
    router = APIRouter(tags=["health"])

    @router.get("/health", summary="Is the server up")
    async def health(response: Response) -> HealthReply:
        """Answers at once from what is known; the checks themselves run in the background."""
        reports = application.health.latest()
        bad = any(report.state == "error" for report in reports)
        response.headers["cache-control"] = "no-store"
        return HealthReply(
            status="degraded" if bad else "healthy",
            version=__version__,
            uptime_seconds=round(application.uptime, 3),
            services={report.id: report.state for report in reports},
        )

    @router.get("/admin/status", summary="State of every part")
    async def status(principal: Principal = Depends(require("status:read"))) -> StatusReply:
        reports = await application.health.check_all()
        bad = any(report.state == "error" for report in reports)
        return StatusReply(
            status="degraded" if bad else "healthy",
            version=__version__,
            uptime_seconds=round(application.uptime, 3),
            services={report.id: report.state for report in reports},
            parts=_parts(reports),
            database=await application.database_facts(),
            plugins={record.id: record.state for record in application.host.list()},
            models=len(application.registries.models()),
            voices=len(application.registries.voices()),
            recognizers=len(application.registries.recognizers()),
        )

    return router
