"""Every place where a plugin may plug in. Each hook is registration-style: it gets a registrar and says what it brings.

Tags: all of these are `sync`, `collect`: called once when the plugin is enabled, never on the hot path. What they register is
called later under guard, as its contract says (`sync`, `async` or `stream`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ai_secretary.plugins.plugin import hookspec

if TYPE_CHECKING:
    from ai_secretary.plugins import registrars as r


@hookspec
def register_settings(registrar: r.SettingsRegistrar) -> None:
    """Say which pydantic model holds the plugin's options (form, validation and reference come from it)."""


@hookspec
def register_services(registrar: r.ServicesRegistrar) -> None:
    """Add dependency-injector providers to the plugin's part of the container."""


@hookspec
def register_chat_models(registrar: r.ChatModelsRegistrar) -> None:
    """Add a source of language models."""


@hookspec
def register_synthesizers(registrar: r.SynthesizersRegistrar) -> None:
    """Add a source of voices."""


@hookspec
def register_recognizers(registrar: r.RecognizersRegistrar) -> None:
    """Add a source of speech recognisers."""


@hookspec
def register_stages(registrar: r.StagesRegistrar) -> None:
    """Add a stage to the dialogue pipeline."""


@hookspec
def register_routes(registrar: r.RoutesRegistrar) -> None:
    """Add HTTP routes (a FastAPI router)."""


@hookspec
def register_pages(registrar: r.PagesRegistrar) -> None:
    """Add admin pages and dashboard cards."""


@hookspec
def register_jobs(registrar: r.JobsRegistrar) -> None:
    """Add kinds of durable work that survive a crash of the process."""


@hookspec
def register_health(registrar: r.HealthRegistrar) -> None:
    """Add a health check, shown on the dashboard, in `/health` and by `plugins doctor`."""


@hookspec
def register_translations(registrar: r.TranslationsRegistrar) -> None:
    """Add the plugin's gettext catalogues."""


@hookspec
def register_migrations(registrar: r.MigrationsRegistrar) -> None:
    """Add the plugin's Alembic branch; called before `setup`, without a context."""


@hookspec
def register_provider_types(registrar: r.ProviderTypesRegistrar) -> None:
    """Add a type of cloud provider (for example a vendor with an API of its own) to those that an admin can connect."""


@hookspec
def register_web(registrar: r.WebRegistrar) -> None:
    """Wrap the whole server once before it listens (the admin itself is such a plugin)."""
