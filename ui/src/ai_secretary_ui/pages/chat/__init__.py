"""The chat: conversations of every source, and one to test the secretary as people meet it."""

from ai_secretary_ui.pages.chat.page import build

__all__ = ["build"]
