"""Fixtures for tests of the core and of plugins. `database` runs a test twice: on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from ai_secretary.config import Settings, load_settings
from ai_secretary.events import EventBus
from ai_secretary.i18n import reset_language
from ai_secretary.storage import Base, Database, Vault
from ai_secretary.storage.vault import install_vault
from ai_secretary.testing.services import postgres_server, redis_server

if TYPE_CHECKING:
    from ai_secretary.testing.mirror import Mirror


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A PostgreSQL server for the whole test session (URL without a database)."""
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Redis server for the whole test session."""
    with redis_server() as url:
        yield url


@pytest.fixture
def vault() -> Vault:
    """A vault with a key of its own, installed for encrypted columns."""
    vault = Vault(uuid4().bytes)
    install_vault(vault)
    return vault


@pytest.fixture(autouse=True)
def _no_language() -> None:
    """Every test begins without a language of its own."""
    reset_language()


@pytest.fixture
def bus() -> EventBus:
    return EventBus()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a data folder of their own, untouched by the developer's environment."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "SECRETARY_DATABASE_URL",
        "DATABASE_URL",
        "SECRETARY_REDIS_URL",
        "REDIS_URL",
        "SECRETARY_API_KEY",
        "SECRETARY_PLUGINS",
    ):
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "data"
    data.mkdir()
    return load_settings(data_dir=data)


async def _create_schema(database: Database) -> None:
    from ai_secretary.storage.migrations import create_schema_for_tests

    await create_schema_for_tests(database, Base.metadata)


@pytest.fixture
async def sqlite_database(tmp_path: Path, vault: Vault) -> AsyncIterator[Database]:
    """A migrated SQLite database in a file."""
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    await _create_schema(database)
    yield database
    await database.dispose()


async def create_postgres_database(server_url: str) -> str:
    """A new empty database on the server; returns its URL."""
    import asyncpg

    name = f"t{uuid4().hex}"
    connection = await asyncpg.connect(f"{server_url}/postgres")
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return f"{server_url}/{name}"


@pytest.fixture
async def postgres_database(postgres_url: str, vault: Vault) -> AsyncIterator[Database]:
    """A migrated PostgreSQL database."""
    database = Database(await create_postgres_database(postgres_url))
    await _create_schema(database)
    yield database
    await database.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database(request: pytest.FixtureRequest, tmp_path: Path, vault: Vault) -> AsyncIterator[Database]:
    """The core's schema on each of the two databases in turn."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'test.db'}"
    else:
        url = await create_postgres_database(request.getfixturevalue("postgres_url"))
    database = Database(url)
    await _create_schema(database)
    yield database
    await database.dispose()


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    """A local server of files and model hub, which can misbehave."""
    from ai_secretary.testing.mirror import running_mirror

    async with running_mirror() as mirror:
        yield mirror
