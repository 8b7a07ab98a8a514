"""Run migrations. `heads` of the core and of every plugin live side by side in one `alembic_version` table."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, event, inspect
from sqlalchemy import text as text_clause
from sqlalchemy.engine import Connection, Engine

from ai_secretary.storage.database import Database

CORE = "core"
CORE_FOLDER = Path(__file__).parent / "versions"
CORE_MODELS = ("ai_secretary.storage.preferences", "ai_secretary.access.models", "ai_secretary.audit.models",
               "ai_secretary.conversations.models", "ai_secretary.dialogue.models", "ai_secretary.voice.models",
               "ai_secretary.jobs.models")  # fmt: skip
_REVISION = re.compile(r"""^revision(?::[^=]+)? = ["']([^"']+)["']""", re.MULTILINE)
_DOWN_REVISION = re.compile(r"^down_revision(?::[^=]+)? = (.+)$", re.MULTILINE)
_QUOTED = re.compile(r"""["']([^"']+)["']""")
EXTRA_DDL = ("ai_secretary.audit.ddl", "ai_secretary.conversations.ddl")
"""Modules with `install(connection)`: triggers and search indexes that metadata cannot express."""


@dataclass(slots=True, frozen=True)
class PendingMigration:
    branch: str
    revision: str
    summary: str


class Migrator:
    """`folders` maps a branch label (`core`, or a plugin's id) to its folders of revisions."""

    def __init__(self, database: Database, folders: Mapping[str, Sequence[Path]] | None = None) -> None:
        self._database = database
        self._folders: dict[str, list[Path]] = {CORE: [CORE_FOLDER]}
        for branch, paths in (folders or {}).items():
            self._folders[branch] = list(paths)

    def add_branch(self, branch: str, folders: Sequence[Path]) -> None:
        self._folders[branch] = list(folders)

    def remove_branch(self, branch: str) -> None:
        """Forget a plugin's branch; its tables and its place in `alembic_version` stay."""
        self._folders.pop(branch, None)

    async def upgrade(self, branch: str) -> list[PendingMigration]:
        """Bring one branch to its newest revision; returns what was applied. One branch's failure leaves the others alone."""
        return await asyncio.to_thread(self._upgrade, branch)

    async def pending(self, branch: str) -> list[PendingMigration]:
        return await asyncio.to_thread(self._pending, branch)

    def _upgrade(self, branch: str) -> list[PendingMigration]:
        engine = self._engine()
        try:
            with engine.connect() as connection:
                if self._is_newest(connection, branch):
                    return []
                pending = self._plan(connection, branch)
                if pending:
                    with connection.begin():
                        self._run(connection, branch)
                return pending
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        """On SQLite: real transactions around DDL, and no cascades while Alembic rebuilds a table."""
        engine = self._database.blocking_engine()
        if self._database.is_sqlite:

            @event.listens_for(engine, "connect")
            def _manual(connection: Any, _record: Any) -> None:
                connection.isolation_level = None
                connection.execute("PRAGMA foreign_keys=OFF")

            @event.listens_for(engine, "begin")
            def _begin(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _pending(self, branch: str) -> list[PendingMigration]:
        engine = self._database.blocking_engine()
        try:
            with engine.connect() as connection:
                return self._plan(connection, branch)
        finally:
            engine.dispose()

    def _is_newest(self, connection: Connection, branch: str) -> bool:
        """Whether the database is at the branch's heads, told without importing Alembic (most starts need no more)."""
        revisions: set[str] = set()
        parents: set[str] = set()
        for folder in self._folders[branch]:
            for path in folder.glob("*.py"):
                text = path.read_text(encoding="utf-8")
                revisions.update(_REVISION.findall(text))
                for line in _DOWN_REVISION.findall(text):
                    parents.update(_QUOTED.findall(line))
        if not inspect(connection).has_table("alembic_version"):
            connection.rollback()
            return not revisions
        stored = set(connection.execute(text_clause("SELECT version_num FROM alembic_version")).scalars())
        connection.rollback()
        return revisions - parents <= stored

    def _script(self, branches: Sequence[str]) -> Any:
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
        config.set_main_option("path_separator", "newline")
        locations = [str(path).replace("%", "%%") for branch in branches for path in self._folders[branch]]
        config.set_main_option("version_locations", "\n".join(locations))
        return ScriptDirectory.from_config(config)

    def _plan(self, connection: Connection, branch: str) -> list[PendingMigration]:
        from alembic.runtime.migration import MigrationContext

        script = self._script([branch])
        known = {revision.revision for revision in script.walk_revisions()}
        context = MigrationContext.configure(connection)
        current = set(context.get_current_heads()) & known
        done: set[str] = set()
        for head in current:
            done |= {revision.revision for revision in script.iterate_revisions(head, "base", implicit_base=True)}
        connection.rollback()
        todo = [revision for revision in script.walk_revisions() if revision.revision not in done]
        return [PendingMigration(branch, revision.revision, revision.doc) for revision in reversed(todo)]

    def _run(self, connection: Connection, branch: str) -> None:
        from alembic.runtime.environment import EnvironmentContext

        script = self._script([branch])
        known = {revision.revision for revision in script.walk_revisions()}

        def steps(heads: Any, _context: Any) -> Any:
            ours = tuple(head for head in heads if head in known)
            return script._upgrade_revs(f"{branch}@head", ours)

        environment = EnvironmentContext(script_config(script), script)
        environment.configure(connection=connection, target_metadata=MetaData(), fn=steps, render_as_batch=True)
        with environment.begin_transaction():
            environment.run_migrations()


def script_config(script: Any) -> Any:
    """A bare Alembic configuration for an environment made in code."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(script.dir).replace("%", "%%"))
    return config


async def create_schema_for_tests(database: Database, metadata: MetaData) -> None:
    """The core's newest schema without walking the revisions; a test asserts that both ways give the same."""
    for name in CORE_MODELS:
        import_module(name)
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
        for name in EXTRA_DDL:
            await connection.run_sync(import_module(name).install)
