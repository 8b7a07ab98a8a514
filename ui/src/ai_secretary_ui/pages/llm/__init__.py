"""Answer models: who answers, in what order, in what tone, with which parameters."""

from ai_secretary_ui.pages.llm.page import build

__all__ = ["build"]
