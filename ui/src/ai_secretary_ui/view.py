"""What a page's builder knows of its reader and of the house. Free of NiceGUI, so that importing it is cheap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_secretary.access import Principal
    from ai_secretary.app import Application
    from ai_secretary.pages import Page
    from ai_secretary.plugins import PluginContext


@dataclass(slots=True)
class PageView:
    """One open page of one reader. `build(view)` is called inside a guarded container with the shell already drawn."""

    application: Application
    context: PluginContext | None
    """The owning plugin's context; None for pages of the core."""
    principal: Principal
    language: str
    """ISO 639-1, `ru` or `en`."""
    theme: str
    """`light`, `dark`, `night` or `system`."""
    page: Page | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    """Query parameters of the address, for deep links."""

    def can(self, permission: str) -> bool:
        """Whether the reader may do this, for instance `view.can("faq:write")`; hide or disable what is not allowed."""
        return self.principal.allows(permission)
