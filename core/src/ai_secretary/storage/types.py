"""Column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, Integer, String, types
from sqlalchemy.engine import Dialect

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""An autoincrementing 64-bit key (SQLite autoincrements only INTEGER)."""


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


class UtcDateTime(types.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since the epoch: sorts, compares and indexes alike everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime: give it a time zone")
        return int(value.timestamp() * 1_000_000)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1_000_000, UTC)


class EncryptedText(types.TypeDecorator[str]):
    """Text encrypted at rest by the installation's key (AES-256-GCM); see `storage.vault`."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        from ai_secretary.storage.vault import current_vault

        return None if value is None else current_vault().encrypt(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> str | None:
        from ai_secretary.storage.vault import current_vault

        return None if value is None else current_vault().decrypt(str(value))
