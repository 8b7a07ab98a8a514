"""Dashboard: is everything in order, what goes on, how fast, how much."""

from ai_secretary_ui.pages.dashboard.page import build

__all__ = ["build"]
