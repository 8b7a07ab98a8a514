"""Who is made from what. Resolved at start-up only; plugins add providers of their own by `register_services`."""

from __future__ import annotations

from dependency_injector import containers, providers

from ai_secretary.access import Access, RateLimits
from ai_secretary.audit import AuditLog
from ai_secretary.audit.chain import ChainWriter
from ai_secretary.config import Settings
from ai_secretary.conversations import Conversations, Journal
from ai_secretary.dialogue.personas import Personas
from ai_secretary.dialogue.routing import ModelRouter
from ai_secretary.dialogue.service import Dialogue
from ai_secretary.events import EventBus
from ai_secretary.jobs import Jobs
from ai_secretary.plugins.guard import Guard
from ai_secretary.plugins.health import HealthMonitor
from ai_secretary.plugins.registries import Registries
from ai_secretary.storage import Database, Preferences, Vault
from ai_secretary.storage.migrations import Migrator
from ai_secretary.storage.vault import install_vault, load_key
from ai_secretary.voice import Voice


def make_vault(settings: Settings) -> Vault:
    """The installation's vault, also installed for encrypted columns."""
    vault = Vault(load_key(settings.data_dir, settings.secret_key.get_secret_value() if settings.secret_key else None))
    install_vault(vault)
    return vault


def jobs_url(settings: Settings) -> str:
    """Where the engine of durable work keeps its own state: beside the database on SQLite, inside it on PostgreSQL."""
    url = settings.resolved_database_url
    return f"sqlite:///{(settings.data_dir / 'jobs.db').resolve()}" if url.startswith("sqlite") else url


class Container(containers.DeclarativeContainer):
    """One instance per application."""

    settings = providers.Dependency(instance_of=Settings)
    vault = providers.Singleton(make_vault, settings)
    database = providers.Singleton(Database, settings.provided.resolved_database_url)
    bus = providers.Singleton(EventBus)
    migrator = providers.Singleton(Migrator, database)
    preferences = providers.Singleton(Preferences, database, bus)
    registries = providers.Singleton(Registries)
    guard = providers.Singleton(Guard)
    health = providers.Singleton(HealthMonitor, registries, guard, bus)
    journal = providers.Singleton(Journal, database, chain=providers.Singleton(ChainWriter), mode=settings.provided.journal)
    audit = providers.Singleton(AuditLog, database, journal)
    limits = providers.Singleton(RateLimits.from_settings, settings)
    access = providers.Singleton(Access, database, vault, bus, audit, limits)
    jobs = providers.Singleton(Jobs, database, registries, bus, providers.Callable(jobs_url, settings))
    conversations = providers.Singleton(Conversations, database)
    personas = providers.Singleton(Personas, database, preferences, bus, settings.provided.persona)
    router = providers.Singleton(ModelRouter, registries, preferences, bus, settings.provided.llm_backend)
    dialogue = providers.Singleton(
        Dialogue, registries, preferences, personas, router, conversations, journal,
        settings=settings, guard=guard, budget=access.provided.check_budget,
    )  # fmt: skip
    voice = providers.Singleton(Voice, registries, preferences, database, journal)
