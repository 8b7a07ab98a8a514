"""The engine and its sessions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import MetaData, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.engine import create_engine as create_sync_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Base of the core's tables. A plugin makes a base of its own (see `plugin_base`)."""

    metadata = MetaData(naming_convention=NAMING)


def plugin_metadata() -> MetaData:
    """Metadata for a plugin's declarative base: `class Base(DeclarativeBase): metadata = plugin_metadata()`."""
    return MetaData(naming_convention=NAMING)


def async_url(url: str) -> URL:
    """`sqlite:///…` and `postgresql://…` with the drivers that the server uses."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(drivername="sqlite+aiosqlite")
    if parsed.get_backend_name() in {"postgresql", "postgres"}:
        return parsed.set(drivername="postgresql+asyncpg")
    raise ValueError(f"unsupported database {parsed.get_backend_name()!r}: use sqlite or postgresql")


def sync_url(url: str) -> URL:
    """The same database by a blocking driver, for the journal's writer thread and for migrations."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return parsed.set(drivername="sqlite+pysqlite")
    return parsed.set(drivername="postgresql+psycopg")


def _sqlite_pragmas(engine: Engine, *, full: bool) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA busy_timeout=10000")
        cursor.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()


class Database:
    """One database: an async engine for requests, a blocking one for the journal and migrations."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(async_url(url), pool_pre_ping=not url.startswith("sqlite"))
        if self.is_sqlite:
            _sqlite_pragmas(self.engine.sync_engine, full=False)
        self._sessions = async_sessionmaker(self.engine, expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        return make_url(self.url).get_backend_name() == "sqlite"

    def blocking_engine(self, *, full_sync: bool = False) -> Engine:
        """A blocking engine of its own; the caller disposes of it. `full_sync`: an fsync per commit on SQLite."""
        engine = create_sync_engine(sync_url(self.url))
        if self.is_sqlite:
            _sqlite_pragmas(engine, full=full_sync)
        return engine

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session that commits when the block ends well and rolls back otherwise."""
        async with self._sessions() as session, session.begin():
            yield session

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """A session for reading; nothing is committed."""
        async with self._sessions() as session:
            yield session

    async def dispose(self) -> None:
        await self.engine.dispose()
