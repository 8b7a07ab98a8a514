"""Write the next Alembic revision of the core from the difference between its tables and its newest schema.

Usage: .venv/bin/python scripts/revision.py core_0002 "Add a column"
Read what it wrote: types are spelled as columns store them, and triggers or indexes beyond the metadata are yours to add.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from importlib import import_module
from typing import Any

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.runtime.migration import MigrationContext
from sqlalchemy import types

from ai_secretary.storage import Base, Database, Vault
from ai_secretary.storage.migrations import Migrator
from ai_secretary.storage.migrations.runner import CORE_FOLDER, CORE_MODELS
from ai_secretary.storage.vault import install_vault


def render(kind: str, item: Any, context: Any) -> str | bool:
    """A revision must not depend on today's classes: spell our types as what the database stores."""
    if kind == "type":
        if isinstance(item, types.TypeDecorator):
            return f"sa.{item.impl_instance!r}"
        if isinstance(item, types.BigInteger) and item._variant_mapping:
            return 'sa.BigInteger().with_variant(sa.Integer(), "sqlite")'
    return False


async def main(revision: str, message: str) -> None:
    install_vault(Vault(b"0" * 32))
    for module in CORE_MODELS:
        import_module(module)
    existing = sorted(CORE_FOLDER.glob("core_*.py"))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/now.db")
        if existing:
            await Migrator(database).upgrade("core")
        engine = database.blocking_engine()
        with engine.connect() as connection:
            context = MigrationContext.configure(
                connection,
                opts={
                    "compare_type": True,
                    "render_item": render,
                    "sqlalchemy_module_prefix": "sa.",
                    "alembic_module_prefix": "op.",
                    "include_object": lambda item, name, kind, reflected, other: not (reflected and other is None),
                },
            )
            script = produce_migrations(context, Base.metadata)
            assert script.upgrade_ops is not None
            assert script.downgrade_ops is not None
            up = render_python_code(script.upgrade_ops, render_item=render, migration_context=context)
            down = render_python_code(script.downgrade_ops, render_item=render, migration_context=context)
        engine.dispose()
        await database.dispose()
    previous = existing[-1].stem if existing else None
    path = CORE_FOLDER / f"{revision}.py"
    label = (
        'branch_labels: tuple[str, ...] | None = ("core",)'
        if previous is None
        else "branch_labels: tuple[str, ...] | None = None"
    )
    path.write_text(
        f'"""{message}."""\n\nfrom __future__ import annotations\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{revision}"\ndown_revision: str | None = {previous!r}\n{label}\ndepends_on: str | None = None\n\n\n'
        f"def upgrade() -> None:\n    {up}\n\n\ndef downgrade() -> None:\n    {down}\n"
    )
    print(path)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
