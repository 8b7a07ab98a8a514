"""The web admin: the shell, the components that every panel uses, and the core's own pages.

A panel (`panel.py`, the only file of a plugin that imports NiceGUI) gets a `PageView` and draws with `components`:

    from ai_secretary_ui import PageView, components as c

    async def build(view: PageView) -> None:
        c.page_header(_("Questions and answers"), _("Answered without a model"))
"""

from ai_secretary_ui.view import PageView

__all__ = ["PageView"]
