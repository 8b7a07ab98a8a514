"""Everything that verification needs, in memory: looking a caller up is synchronous and takes microseconds.

Tables are the truth; this is filled at start-up and changed after every commit. Nothing here does I/O, nothing here raises.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

from ai_secretary.access.models import ApiKeyRow, SessionRow, UserRow
from ai_secretary.access.principal import Principal, Role
from ai_secretary.access.tokens import AccessClaims, AccessTokens, digest

IDLE_S = 7 * 24 * 3600
"""A session that nobody used for a week is over."""

_MAX_CACHED_TOKENS = 10_000


@dataclass(slots=True)
class KnownUser:
    id: str
    username: str
    display_name: str
    role: Role
    active: bool


@dataclass(slots=True)
class KnownSession:
    id: str
    user_id: str
    token: bytes
    """SHA-256 of the current token."""
    expires: float
    seen: float
    saved_seen: float
    principal: Principal

    def live(self, now: float) -> bool:
        return now < self.expires and now - self.seen < IDLE_S


@dataclass(slots=True)
class KnownKey:
    id: str
    key: bytes
    """SHA-256 of the key."""
    enabled: bool
    expires: float | None
    principal: Principal
    used: float
    saved_used: float
    month: str
    tokens: int
    """Tokens spent in `month`, those not yet saved included."""
    unsaved_tokens: int = 0


def current_month() -> str:
    return datetime.now(UTC).strftime("%Y-%m")


class Directory:
    """Users, live sessions and keys by id and by digest."""

    def __init__(self, access_tokens: AccessTokens) -> None:
        self._access_tokens = access_tokens
        self.users: dict[str, KnownUser] = {}
        self.sessions: dict[str, KnownSession] = {}
        self.keys: dict[str, KnownKey] = {}
        self._sessions_by_token: dict[bytes, KnownSession] = {}
        self._keys_by_digest: dict[bytes, KnownKey] = {}
        self._claims: dict[bytes, AccessClaims] = {}

    # -- verification ------------------------------------------------------------------------------------------------

    def verify_key(self, raw: str) -> Principal | None:
        known = self._keys_by_digest.get(digest(raw))
        if known is None or not known.enabled:
            return None
        now = time.time()
        if known.expires is not None and now >= known.expires:
            return None
        known.used = now
        return known.principal

    def verify_session(self, token: str) -> Principal | None:
        session = self._sessions_by_token.get(digest(token))
        return None if session is None else self._use(session)

    def verify_access_token(self, token: str) -> Principal | None:
        known = digest(token)
        claims = self._claims.get(known)
        if claims is None:
            claims = self._access_tokens.read(token)
            if claims is None:
                return None
            if len(self._claims) >= _MAX_CACHED_TOKENS:
                self._claims.clear()
            self._claims[known] = claims
        if time.time() >= claims.expires:
            self._claims.pop(known, None)
            return None
        session = self.sessions.get(claims.session_id)
        if session is None or session.user_id != claims.user_id:
            return None
        return self._use(session)

    def _use(self, session: KnownSession) -> Principal | None:
        now = time.time()
        if not session.live(now):
            self.drop_session(session.id)
            return None
        session.seen = now
        return session.principal

    # -- changes -----------------------------------------------------------------------------------------------------

    def put_user(self, row: UserRow) -> None:
        """Sessions of the user get the new name and role at once; those of an inactive user go."""
        role = cast(Role, row.role)
        self.users[row.id] = KnownUser(row.id, row.username, row.display_name, role, row.active)
        for session in [session for session in self.sessions.values() if session.user_id == row.id]:
            if row.active:
                session.principal = replace(session.principal, name=row.username, role=role)
            else:
                self.drop_session(session.id)

    def drop_user(self, user_id: str) -> None:
        self.users.pop(user_id, None)
        for session in [session for session in self.sessions.values() if session.user_id == user_id]:
            self.drop_session(session.id)

    def put_session(self, row: SessionRow) -> None:
        self.drop_session(row.id)
        user = self.users.get(row.user_id)
        if row.revoked_at is not None or user is None or not user.active:
            return
        session = KnownSession(
            id=row.id,
            user_id=row.user_id,
            token=bytes.fromhex(row.token_hash),
            expires=row.expires_at.timestamp(),
            seen=row.last_seen_at.timestamp(),
            saved_seen=row.last_seen_at.timestamp(),
            principal=Principal(user.id, "user", user.username, role=user.role, session_id=row.id),
        )
        self.sessions[session.id] = session
        self._sessions_by_token[session.token] = session

    def drop_session(self, session_id: str) -> None:
        session = self.sessions.pop(session_id, None)
        if session is not None:
            self._sessions_by_token.pop(session.token, None)

    def put_key(self, row: ApiKeyRow) -> None:
        old = self.keys.get(row.id)
        self.drop_key(row.id)
        used = row.last_used_at.timestamp() if row.last_used_at else 0.0
        known = KnownKey(
            id=row.id,
            key=bytes.fromhex(row.key_hash),
            enabled=row.enabled,
            expires=row.expires_at.timestamp() if row.expires_at else None,
            principal=Principal(
                row.id,
                "key",
                row.name,
                scopes=frozenset(row.scopes),
                per_minute=row.per_minute,
                monthly_tokens=row.monthly_tokens,
            ),
            used=used,
            saved_used=used,
            month=row.tokens_month,
            tokens=row.tokens_used,
        )
        if old is not None:
            # What is not saved yet must not be forgotten because somebody renamed the key.
            known.used = max(known.used, old.used)
            if old.month == known.month:
                known.unsaved_tokens = old.unsaved_tokens
                known.tokens += old.unsaved_tokens
            elif old.month > known.month:
                known.month, known.unsaved_tokens, known.tokens = old.month, old.unsaved_tokens, old.unsaved_tokens
        self.keys[known.id] = known
        self._keys_by_digest[known.key] = known

    def drop_key(self, key_id: str) -> None:
        known = self.keys.pop(key_id, None)
        if known is not None:
            self._keys_by_digest.pop(known.key, None)

    def has_digest(self, key: bytes) -> bool:
        return key in self._keys_by_digest

    def sessions_of(self, user_id: str) -> list[KnownSession]:
        return [session for session in self.sessions.values() if session.user_id == user_id]

    # -- token budgets -----------------------------------------------------------------------------------------------

    def tokens_left(self, principal: Principal) -> int | None:
        """Model tokens that a key may still spend this month; None: without limit."""
        if principal.monthly_tokens is None:
            return None
        known = self.keys.get(principal.id)
        spent = known.tokens if known is not None and known.month == current_month() else 0
        return max(0, principal.monthly_tokens - spent)

    def spend_tokens(self, key_id: str, tokens: int) -> None:
        known = self.keys.get(key_id)
        if known is None or tokens <= 0:
            return
        month = current_month()
        if known.month != month:
            known.month, known.tokens, known.unsaved_tokens = month, 0, 0
        known.tokens += tokens
        known.unsaved_tokens += tokens
