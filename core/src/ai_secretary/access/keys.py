"""API keys for programs. The key itself is shown once, when it is made; only its digest is kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from ai_secretary.access.models import ApiKeyRow
from ai_secretary.access.parts import AccessParts
from ai_secretary.access.principal import V1_SCOPES
from ai_secretary.access.repository import AccessRepository
from ai_secretary.access.tokens import KEY_PREFIX_LENGTH, digest, new_api_key
from ai_secretary.context import current_request
from ai_secretary.errors import Conflict, InvalidInput, NotFound
from ai_secretary.ids import new_id
from ai_secretary.storage import now

_SCOPE = re.compile(r"^[a-z][a-z0-9_]{0,40}:(read|write|admin)$")
_SHORTEST = 12


@dataclass(slots=True, frozen=True)
class NewKey:
    row: ApiKeyRow
    raw: str
    """The key; it is not stored and cannot be shown again."""


@dataclass(slots=True, frozen=True)
class KeyChange:
    """What a key may do and how much. All fields are replaced together; None means: without limit, never expires."""

    name: str
    scopes: tuple[str, ...] = ("*",)
    enabled: bool = True
    expires_at: datetime | None = None
    per_minute: int | None = None
    monthly_tokens: int | None = None


class Keys:
    """Create, change, rotate and delete API keys; every change is audited and takes effect at once."""

    def __init__(self, parts: AccessParts) -> None:
        self._parts = parts

    async def all(self) -> Sequence[ApiKeyRow]:
        async with self._parts.database.session() as session:
            return await AccessRepository(session).keys()

    async def get(self, key_id: str) -> ApiKeyRow:
        """Raises `NotFound`."""
        async with self._parts.database.session() as session:
            return _found(await AccessRepository(session).key(key_id))

    async def create(self, change: KeyChange, *, raw: str | None = None) -> NewKey:
        """Make a key, random unless `raw` is given. Raises `InvalidInput`, and `Conflict` if this very key exists."""
        _check(change)
        if raw is not None and len(raw) < _SHORTEST:
            raise InvalidInput(
                "An API key needs {minimum} characters or more", code="key_too_short", field="key", minimum=_SHORTEST
            )
        raw = raw or new_api_key()
        context = current_request()
        principal = context.principal if context is not None else None
        row = ApiKeyRow(
            id=new_id("key"),
            prefix=_prefix(raw),
            key_hash=digest(raw).hex(),
            created_by=principal.name if principal is not None else "system",
        )
        _apply(row, change)
        try:
            async with self._parts.database.transaction() as session:
                AccessRepository(session).add(row)
        except IntegrityError as error:
            raise Conflict("This key exists already", code="key_exists", hint="Let the server make one.") from error
        self._put(row)
        self._parts.record("key.create", "api_key", row.id, **_summary(row))
        return NewKey(row, raw)

    async def update(self, key_id: str, change: KeyChange) -> ApiKeyRow:
        """Raises `NotFound`, `InvalidInput`."""
        _check(change)
        async with self._parts.database.transaction() as session:
            row = _found(await AccessRepository(session).key(key_id))
            _apply(row, change)
        self._put(row)
        self._parts.record("key.update", "api_key", row.id, **_summary(row))
        return row

    async def rotate(self, key_id: str) -> NewKey:
        """A new key with the same rights; the old one stops working at once."""
        raw = new_api_key()
        async with self._parts.database.transaction() as session:
            row = _found(await AccessRepository(session).key(key_id))
            row.key_hash, row.prefix, row.updated_at = digest(raw).hex(), _prefix(raw), now()
        self._put(row)
        self._parts.record("key.rotate", "api_key", row.id, name=row.name, prefix=row.prefix)
        return NewKey(row, raw)

    async def delete(self, key_id: str) -> None:
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = _found(await repository.key(key_id))
            await repository.delete_key(key_id)
        self._parts.directory.drop_key(key_id)
        self._parts.changed("key", key_id)
        self._parts.record("key.delete", "api_key", key_id, name=row.name, prefix=row.prefix)

    def _put(self, row: ApiKeyRow) -> None:
        self._parts.directory.put_key(row)
        self._parts.changed("key", row.id)


def _prefix(raw: str) -> str:
    # A short key given by the operator shows less of itself.
    return raw[: min(KEY_PREFIX_LENGTH, len(raw) // 4)]


def _check(change: KeyChange) -> None:
    if not change.name.strip():
        raise InvalidInput("A key needs a name", code="key_name", field="name", hint="Name the program that will use it.")
    if not change.scopes:
        raise InvalidInput("A key needs at least one scope", code="key_scopes", field="scopes", hint="“*” is all of /v1.")
    unknown = unknown_scopes(change.scopes)
    if unknown:
        raise InvalidInput(
            "Unknown scope {scope}",
            code="key_scopes",
            field="scopes",
            hint="A scope is *, v1:chat, v1:audio, v1:embeddings, v1:models, or area:read, area:write, area:admin.",
            scope=unknown[0],
        )
    for field, value in (("per_minute", change.per_minute), ("monthly_tokens", change.monthly_tokens)):
        if value is not None and value < 1:
            raise InvalidInput("{name} must be 1 or more, or empty for no limit", code="key_limit", field=field, name=field)


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    """Scopes that no permission has the form of."""
    return [scope for scope in scopes if scope != "*" and scope not in V1_SCOPES and not _SCOPE.match(scope)]


def _apply(row: ApiKeyRow, change: KeyChange) -> None:
    row.name = change.name.strip()
    row.scopes = sorted(set(change.scopes))
    row.enabled = change.enabled
    row.expires_at = change.expires_at
    row.per_minute = change.per_minute
    row.monthly_tokens = change.monthly_tokens


def _summary(row: ApiKeyRow) -> dict[str, object]:
    return {
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "enabled": row.enabled,
        "expires_at": row.expires_at.isoformat() if row.expires_at else None,
        "per_minute": row.per_minute,
        "monthly_tokens": row.monthly_tokens,
    }


def _found(row: ApiKeyRow | None) -> ApiKeyRow:
    if row is None:
        raise NotFound("There is no such API key", code="key_not_found", hint="The list of keys has their ids.")
    return row
