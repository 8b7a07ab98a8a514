"""Typed settings of the process: environment, `.env`, `secretary.toml`, in that order.

What changes at run time is a preference (`storage.preferences`).
"""

from ai_secretary.config.settings import Settings, load_settings

__all__ = ["Settings", "load_settings"]
