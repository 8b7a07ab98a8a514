"""The composition root: builds the container, loads plugins, assembles the web application, starts and stops it all."""

from ai_secretary.app.application import Application

__all__ = ["Application"]
