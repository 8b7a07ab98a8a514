"""Plugins: manifest, hook specs, discovery, guarded calls, registries, health, enable and disable."""

from ai_secretary.plugins.context import PluginContext, TaskOwner
from ai_secretary.plugins.manifest import Manifest, Needs
from ai_secretary.plugins.plugin import Plugin, hookimpl
from ai_secretary.plugins.registrars import Health

__all__ = ["Health", "Manifest", "Needs", "Plugin", "PluginContext", "TaskOwner", "hookimpl"]
