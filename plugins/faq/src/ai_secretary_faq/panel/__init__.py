"""The page "FAQ": a list with everything in its place, and a trial that says why."""

from __future__ import annotations

from ai_secretary_ui import PageView


async def build(view: PageView) -> None:
    from ai_secretary_faq.panel.page import FaqPage

    FaqPage(view).draw()
