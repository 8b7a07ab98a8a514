"""Alembic, driven from code: one branch for the core, one per plugin, on SQLite and on PostgreSQL alike."""

from ai_secretary.storage.migrations.runner import (
    Migrator,
    PendingMigration,
    create_schema_for_tests,
)

__all__ = ["Migrator", "PendingMigration", "create_schema_for_tests"]
