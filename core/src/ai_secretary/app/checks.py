"""Health checks of the core itself: database, disk, durable work, limits."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ai_secretary.i18n import N_
from ai_secretary.plugins.registrars import Health, HealthEntry

if TYPE_CHECKING:
    from ai_secretary.app.application import Application

OWNER = "core"
LITTLE_DISK = 1_000_000_000
"""Bytes free below which new downloads and recordings are at risk."""


def register_checks(application: Application) -> None:
    """Add the core's own checks beside those of the plugins."""

    async def database() -> Health:
        try:
            async with application.database.session() as session:
                await session.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            return Health("error", N_("The database does not answer"), N_("See the server's log; nothing new can be stored now."))
        if application.journal.running:
            return Health("ok", N_("Everything is stored at once"))
        return Health("error", N_("Replies are not being stored"), N_("Restart the server; the log says what happened."))

    async def disk() -> Health:
        free = (await asyncio.to_thread(shutil.disk_usage, application.settings.data_dir)).free
        if free < LITTLE_DISK:
            return Health("warning", N_("Less than 1 GB of disk is left"), N_("Delete models or voices that nobody uses."))
        return Health("ok", N_("There is enough room"))

    def work() -> Health:
        if application.jobs.problem:
            return Health("error", N_("Long work, such as downloads, does not run"), N_("See the log, then restart the server."))
        return Health("ok", N_("Long work survives a restart"))

    def limits() -> Health:
        if application.limits.state.degraded:
            return Health("warning", N_("Redis does not answer: each process counts alone"), N_("Check SECRETARY_REDIS_URL."))
        return Health("ok", N_("Requests are counted"))

    for check_id, check, title, icon in (
        ("database", database, N_("Database"), "database"),
        ("disk", disk, N_("Disk"), "hard_drive"),
        ("jobs", work, N_("Long work"), "schedule"),
        ("limits", limits, N_("Limits"), "speed"),
    ):
        application.registries.add_health(HealthEntry(check_id, OWNER, title, icon, check))
