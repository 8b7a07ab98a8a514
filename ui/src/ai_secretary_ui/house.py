"""The application that the admin belongs to. NiceGUI has one app per process, so there is one house at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_secretary.app import Application

_current: list[Application] = []


def enter(application: Application) -> None:
    """Make `application` the one whose pages are served from now on."""
    _current[:] = [application]


def current() -> Application:
    """The application being served. Raises `RuntimeError` before the admin is installed."""
    if not _current:
        raise RuntimeError("the admin is not installed: no application is being served")
    return _current[0]
