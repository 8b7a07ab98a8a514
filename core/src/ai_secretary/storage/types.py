"""Column types that behave alike on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Integer, String, types
from sqlalchemy.engine import Dialect

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""An autoincrementing 64-bit key (SQLite autoincrements only INTEGER)."""


def now() -> datetime:
    """The present moment, aware, UTC."""
    return datetime.now(UTC)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """Microseconds since the epoch, exactly; the form in which times are stored. Raises `ValueError` for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError("naive datetime: give it a time zone")
    return (moment - _EPOCH) // _MICROSECOND


class UtcDateTime(types.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as microseconds since the epoch: sorts, compares and indexes alike everywhere."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else micros(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + value * _MICROSECOND


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
