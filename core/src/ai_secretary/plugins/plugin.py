"""The object that a distribution exposes under the entry-point group `ai_secretary.plugins`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import pluggy

if TYPE_CHECKING:
    from ai_secretary.plugins.context import PluginContext
    from ai_secretary.plugins.manifest import Manifest

PROJECT = "ai_secretary"
ENTRY_POINT_GROUP = "ai_secretary.plugins"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class Plugin:
    """Base of a plugin: a manifest, hook implementations marked with `@hookimpl`, and optionally a life of its own.

    One instance serves the whole process; what belongs to one run lives in what `setup` makes.
    """

    manifest: ClassVar[Manifest]

    async def setup(self, context: PluginContext) -> None:
        """Called first, with the tables migrated and the options loaded: build services here. No long work."""

    async def start(self) -> None:
        """Called after every hook has registered: start background tasks by `context.tasks`."""

    async def stop(self) -> None:
        """Called at disable and shutdown. What the registrars and `context.tasks` own is removed by the core."""
