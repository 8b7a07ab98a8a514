"""The page Model files, the only part of the plugin that imports NiceGUI."""

from ai_secretary_llm_local.panel.page import build

__all__ = ["build"]
