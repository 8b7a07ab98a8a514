"""The page “Piper voices”: what is installed, how each voice speaks, what can be downloaded. Imported when first opened."""

from ai_secretary_tts_piper.panel.page import build

__all__ = ["build"]
