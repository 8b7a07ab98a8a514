"""The revisions and the tables in the code say the same, on both databases, up and down."""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection

from ai_secretary.storage import Base, Database, Vault
from ai_secretary.storage.migrations import Migrator
from ai_secretary.storage.migrations.runner import CORE, CORE_FOLDER, CORE_MODELS
from ai_secretary.testing.pytest_plugin import create_postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(request: pytest.FixtureRequest, tmp_path: Path, vault: Vault) -> Database:
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path / 'empty.db'}")
    return Database(await create_postgres_database(request.getfixturevalue("postgres_url")))


async def test_the_revisions_give_the_tables_of_the_code(empty: Database) -> None:
    for name in CORE_MODELS:
        import_module(name)
    applied = await Migrator(empty).upgrade(CORE)
    assert [item.revision for item in applied] == sorted(path.stem for path in CORE_FOLDER.glob("core_*.py"))
    assert await Migrator(empty).pending(CORE) == []

    def differences(connection: Connection) -> list[object]:
        def ours(item: object, name: str | None, kind: str, reflected: bool, other: object) -> bool:
            return not (reflected and other is None and (name or "").startswith(("messages_search", "ix_messages_search")))

        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
        return [item for item in compare_metadata(context, Base.metadata) if "alembic_version" not in str(item)]

    async with empty.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await empty.dispose()


async def test_a_second_start_changes_nothing(empty: Database) -> None:
    assert await Migrator(empty).upgrade(CORE)
    assert await Migrator(empty).upgrade(CORE) == []
    await empty.dispose()


async def test_two_branches_live_side_by_side(empty: Database, tmp_path: Path) -> None:
    folders: dict[str, list[Path]] = {}
    for name in ("alpha", "beta"):
        folder = tmp_path / name
        folder.mkdir()
        folders[name] = [folder]
        (folder / "first.py").write_text(
            "import sqlalchemy as sa\nfrom alembic import op\n"
            f"revision = '{name}_0001'\ndown_revision = None\nbranch_labels = ('{name}',)\ndepends_on = None\n"
            f"def upgrade() -> None:\n    op.create_table('{name}_things', sa.Column('id', sa.Integer, primary_key=True))\n"
            "def downgrade() -> None:\n    pass\n"
        )
    migrator = Migrator(empty, folders)
    for branch in (CORE, "alpha", "beta"):
        assert await migrator.upgrade(branch)
    later = tmp_path / "beta" / "second.py"
    later.write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision = 'beta_0002'\ndown_revision = 'beta_0001'\nbranch_labels = None\ndepends_on = None\n"
        "def upgrade() -> None:\n    op.add_column('beta_things', sa.Column('name', sa.String(10)))\n"
        "def downgrade() -> None:\n    pass\n"
    )
    migrator = Migrator(empty, {"beta": folders["beta"]})
    assert [item.revision for item in await migrator.upgrade("beta")] == ["beta_0002"]
    assert await migrator.upgrade(CORE) == []
    async with empty.session() as session:
        heads = set((await session.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    assert {"alpha_0001", "beta_0002"} < heads
    await empty.dispose()


async def test_a_failing_revision_leaves_the_schema_as_it_was(empty: Database, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "first.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision = 'broken_0001'\ndown_revision = None\nbranch_labels = ('broken',)\ndepends_on = None\n"
        "def upgrade() -> None:\n    op.create_table('broken_things', sa.Column('id', sa.Integer, primary_key=True))\n"
        "    raise RuntimeError('half way')\n"
        "def downgrade() -> None:\n    pass\n"
    )
    migrator = Migrator(empty, {"broken": [folder]})
    await migrator.upgrade(CORE)
    with pytest.raises(RuntimeError, match="half way"):
        await migrator.upgrade("broken")
    assert [item.revision for item in await migrator.pending("broken")] == ["broken_0001"]
    await asyncio.sleep(0)
    (folder / "first.py").write_text((folder / "first.py").read_text().replace("    raise RuntimeError('half way')\n", ""))
    assert [item.revision for item in await Migrator(empty, {"broken": [folder]}).upgrade("broken")] == ["broken_0001"]
    await empty.dispose()
