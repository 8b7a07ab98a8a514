"""What is known of each plugin, for the Plugins page, the CLI and `/health`."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

from ai_secretary.plugins.context import PluginContext
from ai_secretary.plugins.discovery import Found
from ai_secretary.plugins.guard import Failure
from ai_secretary.plugins.manifest import Manifest
from ai_secretary.plugins.plugin import Plugin

PluginState = Literal[
    "discovered", "blocked", "incompatible", "failed", "loaded", "started", "degraded", "stopped", "restart_needed"
]


@dataclass(slots=True)
class PluginRecord:
    """One plugin's life. `reason` is a sentence for people (English message id filled in)."""

    found: Found
    state: PluginState = "discovered"
    reason: str = ""
    hint: str = ""
    code: str = ""
    details: str = ""
    """Traceback of the failure, for a specialist."""
    manifest: Manifest | None = None
    plugin: Plugin | None = None
    context: PluginContext | None = None
    load_ms: float = 0.0
    rivals: list[str] = field(default_factory=list)
    """Distributions that bring the same id and are not loaded."""
    failures: deque[Failure] = field(default_factory=lambda: deque(maxlen=20))

    @property
    def id(self) -> str:
        return self.found.id

    @property
    def title(self) -> str:
        return self.manifest.title if self.manifest else self.found.id

    @property
    def version(self) -> str:
        return self.found.version

    @property
    def running(self) -> bool:
        return self.state in ("started", "degraded")


@dataclass(slots=True, frozen=True)
class PluginChanged:
    """Published on the bus when a plugin's state changes."""

    plugin_id: str
    state: PluginState
    reason: str
