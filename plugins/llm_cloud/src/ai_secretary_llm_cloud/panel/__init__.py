"""The page of cloud models. The only part of the plugin that imports NiceGUI."""

from ai_secretary_llm_cloud.panel.page import build, build_providers

__all__ = ["build", "build_providers"]
