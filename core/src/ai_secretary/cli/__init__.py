"""The command `ai-secretary`."""

from ai_secretary.cli.main import main

__all__ = ["main"]
