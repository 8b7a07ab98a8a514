"""Contracts of admin pages: what a plugin shows in the web app. Values only; NiceGUI lives in the plugin's `panel.py`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["monitoring", "engines", "channels", "business", "system"]
"""Monitoring, AI engines, Channels, Business, System: the five groups of the rail."""

Build = str | Callable[[Any], Awaitable[None] | None]
"""`"package.panel:function"` (imported when first opened, so that the core never imports NiceGUI), or the function itself.
It gets an `ai_secretary_ui.PageView`."""


@dataclass(slots=True, frozen=True)
class Page:
    """A page of the admin: a tab in its group, at `/ui/{id}`."""

    id: str
    """Lower-case letters, digits and dashes; unique over the installation."""
    group: Group
    title: str
    """English message id, translated by the owning plugin's catalogue."""
    icon: str
    """Name of a Material Symbols Outlined icon, without prefix."""
    build: Build
    permission: str
    """Needed to see the page, `area:read`, `area:write` or `area:admin`."""
    order: int = 500
    keywords: tuple[str, ...] = ()
    """Further words (either language) by which the command palette finds the page."""


@dataclass(slots=True, frozen=True)
class DashboardCard:
    """A card on the dashboard: `span` of 12 columns. Its build must give an empty and an error state."""

    id: str
    title: str
    build: Build
    permission: str
    span: Literal[3, 4, 6, 8, 12] = 4
    order: int = 500


__all__ = ["Build", "DashboardCard", "Group", "Page"]
