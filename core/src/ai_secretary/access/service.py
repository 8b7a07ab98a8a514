"""Access: who may come in, and how long their visit lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from ai_secretary.access.directory import IDLE_S, Directory, current_month
from ai_secretary.access.events import AccessChanged
from ai_secretary.access.keys import KeyChange, Keys
from ai_secretary.access.limits import RateLimits, address_identity
from ai_secretary.access.models import SessionRow
from ai_secretary.access.parts import AccessParts, account_name, storable
from ai_secretary.access.passwords import MIN_LENGTH, Passwords, generate_password
from ai_secretary.access.principal import Principal
from ai_secretary.access.repository import AccessRepository
from ai_secretary.access.results import Login, PrintedOnce, SessionInfo, Source
from ai_secretary.access.tokens import ACCESS_TOKEN_S, AccessTokens, SessionTokens, digest, new_api_key
from ai_secretary.access.users import Users
from ai_secretary.audit import AuditEvent, AuditLog
from ai_secretary.config import Settings
from ai_secretary.errors import Conflict, NotFound, RateLimited, Unauthenticated
from ai_secretary.events import EventBus
from ai_secretary.ids import new_id
from ai_secretary.logs import mask_secret
from ai_secretary.storage import Database, Vault, now

if TYPE_CHECKING:
    from ai_secretary.plugins.context import TaskOwner

log = structlog.get_logger(__name__)

SESSION_COOKIE = "secretary_session"
SESSION_S = 30 * 24 * 3600
"""A session lasts 30 days at most, and 7 days without use (`directory.IDLE_S`)."""
FLUSH_S = 30.0
_MOST_SESSIONS = 50
_KEEP_ENDED = timedelta(days=30)
_MEMORABLE_S = 1.0


class Access:
    """Verification is synchronous and in memory; everything that changes something is async and audited."""

    def __init__(
        self,
        database: Database,
        vault: Vault,
        bus: EventBus,
        audit: AuditLog,
        limits: RateLimits,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        self._access_tokens = AccessTokens(vault)
        self._session_tokens = SessionTokens(vault)
        self.directory = Directory(self._access_tokens)
        self.limits = limits
        self._parts = AccessParts(database, bus, audit, limits, self.directory, passwords or Passwords())
        self.users = Users(self._parts)
        self.keys = Keys(self._parts)
        self.verify_key = self.directory.verify_key
        self.verify_session = self.directory.verify_session
        self.verify_access_token = self.directory.verify_access_token
        self.tokens_left = self.directory.tokens_left
        self.spend_tokens = self.directory.spend_tokens

    # -- start and stop ----------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Fill the memory from the tables; forget sessions that ended long ago."""
        at = now()
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            await repository.purge_sessions(at - _KEEP_ENDED)
            users, sessions, keys = await repository.users(), await repository.live_sessions(at), await repository.keys()
        for user in users:
            self.directory.put_user(user)
        for row in sessions:
            self.directory.put_session(row)
        for key in keys:
            self.directory.put_key(key)

    async def bootstrap(self, settings: Settings) -> list[PrintedOnce]:
        """Make the first user and the first key, or add the configured key if it is new. Returns what must be shown once."""
        for secret in (settings.admin_password, settings.api_key, settings.secret_key):
            mask_secret(secret.get_secret_value() if secret is not None else None)
        shown: list[PrintedOnce] = []
        async with self._parts.database.session() as session:
            first_start = await AccessRepository(session).user_count() == 0
        if first_start:
            configured = settings.admin_password.get_secret_value() if settings.admin_password else ""
            password = configured or generate_password()
            try:
                await self.users.create("admin", password, "admin", check_rule=False)
            except Conflict:
                # Another process of this installation was faster; it shows its password.
                await self.load()
                return []
            if not configured:
                shown.append(PrintedOnce("password", "admin", password))
            elif len(configured) < MIN_LENGTH:
                log.warning("admin_password_short", hint=f"use {MIN_LENGTH} characters or more", length=len(configured))
        raw = settings.api_key.get_secret_value() if settings.api_key else ""
        if raw and not self.directory.has_digest(digest(raw)):
            await self._add_key(KeyChange("SECRETARY_API_KEY"), raw)
        elif first_start and not raw:
            raw = new_api_key()
            await self._add_key(KeyChange("first key"), raw)
            shown.append(PrintedOnce("api_key", "first key", raw))
        return shown

    async def _add_key(self, change: KeyChange, raw: str) -> None:
        try:
            await self.keys.create(change, raw=raw)
        except Conflict:
            await self.load()

    def start(self, tasks: TaskOwner) -> None:
        """Save last use and token sums in the background, every 30 seconds."""
        tasks.spawn(self._flush_for_ever(), name="access-flush")

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except (SQLAlchemyError, OSError) as error:
                # The database is away: nothing is lost, the next round saves it.
                log.warning("access_flush_failed", error=type(error).__name__)

    async def flush(self) -> None:
        """Write when sessions and keys were last used, and what keys have spent."""
        sessions = [known for known in self.directory.sessions.values() if known.seen > known.saved_seen + _MEMORABLE_S]
        keys = [known for known in self.directory.keys.values() if known.used > known.saved_used or known.unsaved_tokens]
        if not sessions and not keys:
            return
        seen = [(known, known.seen) for known in sessions]
        used = [(known, known.used, known.month, known.unsaved_tokens) for known in keys]
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            for known_session, at in seen:
                await repository.touch_session(known_session.id, datetime.fromtimestamp(at, UTC))
            sums: dict[str, int] = {}
            for known_key, at, month, tokens in used:
                await repository.touch_key(known_key.id, datetime.fromtimestamp(at, UTC))
                if tokens:
                    sums[known_key.id] = await repository.spend_tokens(known_key.id, month, tokens)
        for known_session, at in seen:
            known_session.saved_seen = at
        for known_key, at, month, tokens in used:
            known_key.saved_used = at
            if tokens and known_key.month == month:
                known_key.unsaved_tokens -= tokens
                known_key.tokens = sums[known_key.id] + known_key.unsaved_tokens

    async def close(self) -> None:
        """Save what is not saved yet (shutdown)."""
        await self.flush()
        await self.limits.close()

    async def apply(self, change: AccessChanged) -> None:
        """Reread one row that another process changed."""
        async with self._parts.database.session() as session:
            repository = AccessRepository(session)
            if change.kind == "key":
                key = await repository.key(change.id)
                self.directory.put_key(key) if key is not None else self.directory.drop_key(change.id)
            elif change.kind == "user":
                user = await repository.user(change.id)
                self.directory.put_user(user) if user is not None else self.directory.drop_user(change.id)
            else:
                row = await repository.session(change.id)
                self.directory.put_session(row) if row is not None else self.directory.drop_session(change.id)

    # -- who is it ---------------------------------------------------------------------------------------------------

    def identify(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> tuple[Principal | None, Source | None]:
        """Who sends these headers (lower-case names), and what it was known by.

        A bearer token or an API key decides alone: if it is wrong, a cookie beside it does not help.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            token = token.strip()
            if token.startswith("eyJ"):
                principal = self.verify_access_token(token)
                if principal is not None:
                    return principal, "token"
            return self.verify_key(token), "key"
        api_key = headers.get("x-api-key")
        if api_key:
            return self.verify_key(api_key.strip()), "key"
        cookie = cookies.get(SESSION_COOKIE)
        if cookie:
            return self.verify_session(cookie), "cookie"
        return None, None

    def authenticate(self, headers: Mapping[str, str], cookies: Mapping[str, str]) -> Principal | None:
        """`identify` without the source. A caller that acts on a cookie must also check where the request comes from."""
        return self.identify(headers, cookies)[0]

    def check_budget(self, principal: Principal) -> None:
        """Raises `RateLimited` (`insufficient_quota`) for a key whose tokens of this month are spent."""
        left = self.tokens_left(principal)
        if left is not None and left <= 0:
            raise RateLimited(
                "The key “{name}” has spent its {limit} tokens of this month",
                code="insufficient_quota",
                hint="An administrator can raise the limit; the count starts again on the first of the month.",
                name=principal.name,
                limit=principal.monthly_tokens,
            )

    # -- sessions ----------------------------------------------------------------------------------------------------

    async def login(self, username: str, password: str, address: str, user_agent: str) -> Login:
        """Raises `Unauthenticated` (one message, one duration for every cause) and `RateLimited`."""
        account = account_name(username)[:64]
        await self._attempt(account, address)
        async with self._parts.database.session() as session:
            user = await AccessRepository(session).user_by_name(account)
        usable = user if user is not None and user.active else None
        if (
            not await self._parts.passwords.verify(usable.password_hash if usable is not None else None, password)
            or usable is None
        ):
            self._parts.audit.record(
                AuditEvent(
                    "auth.login_failed",
                    "session",
                    details={"username": account},
                    actor_kind="anonymous",
                    actor_name=account,
                    address=address,
                )
            )
            raise Unauthenticated(
                "The name or the password is not right",
                code="invalid_credentials",
                hint="After several attempts there is a pause of a minute.",
            )
        await self._attempt_went_well(account, address)
        session_id = new_id("ses")
        token = self._session_tokens.issue(session_id)
        at = now()
        row = SessionRow(
            id=session_id,
            user_id=usable.id,
            token_hash=digest(token).hex(),
            user_agent=storable(user_agent)[:300],
            address=address[:64],
            created_at=at,
            last_seen_at=at,
            expires_at=at + timedelta(seconds=SESSION_S),
        )
        rehash = await self._parts.passwords.hash(password) if self._parts.passwords.needs_rehash(usable.password_hash) else None
        try:
            async with self._parts.database.transaction() as session:
                repository = AccessRepository(session)
                current = await repository.user(usable.id)
                if current is None or not current.active or current.password_hash != usable.password_hash:
                    # Deleted, deactivated or given a new password while we were computing.
                    raise Unauthenticated("The name or the password is not right", code="invalid_credentials")
                current.last_login_at = at
                current.password_hash = rehash or current.password_hash
                repository.add(row)
                await repository.flush()
                surplus = [
                    old.id for old in (await repository.live_sessions(at, usable.id))[_MOST_SESSIONS:] if old.id != session_id
                ]
                if surplus:
                    await repository.revoke_sessions(surplus, at)
        except IntegrityError as error:
            raise Unauthenticated("The name or the password is not right", code="invalid_credentials") from error
        self.directory.put_user(current)
        self.directory.put_session(row)
        self._parts.changed("session", row.id)
        for ended in surplus:
            self._parts.session_ended(ended)
        principal = self.directory.sessions[row.id].principal
        self._parts.audit.record(
            AuditEvent(
                "auth.login",
                "session",
                row.id,
                {"user_agent": row.user_agent},
                actor_kind="user",
                actor_id=principal.id,
                actor_name=principal.name,
                address=address,
            )
        )
        return Login(self._access_tokens.issue(usable.id, row.id), token, ACCESS_TOKEN_S, principal)

    async def _attempt(self, account: str, address: str) -> None:
        await self.limits.check("auth", address_identity(address))
        await self.limits.check("auth", f"account:{account}")

    async def _attempt_went_well(self, account: str, address: str) -> None:
        await self.limits.give_back("auth", address_identity(address))
        await self.limits.give_back("auth", f"account:{account}")

    async def refresh(self, refresh_token: str) -> Login:
        """A new access token and a new refresh token for a good one. A token that was used before ends its session:

        either its owner or a thief holds the newer one, and nobody can tell which. Raises `Unauthenticated`.
        """
        session_id = self._session_tokens.session_of(refresh_token)
        if session_id is None:
            raise _not_valid()
        token = self._session_tokens.issue(session_id)
        at = now()
        old_hash = digest(refresh_token).hex()
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = await repository.session(session_id)
            if row is None or row.revoked_at is not None or self._idle(row, at):
                raise _not_valid()
            reused = not await repository.rotate_session(session_id, old_hash, digest(token).hex(), at)
            if reused:
                await repository.revoke_sessions([session_id], at)
            await session.refresh(row)
        if reused:
            self._parts.session_ended(session_id)
            self._parts.record("auth.refresh_reused", "session", session_id, user_id=row.user_id, address=row.address)
            log.warning("refresh_token_reused", session_id=session_id, user_id=row.user_id)
            raise _not_valid()
        self.directory.put_session(row)
        renewed = self.directory.sessions.get(session_id)
        if renewed is None:
            raise _not_valid()
        self._parts.changed("session", session_id)
        return Login(self._access_tokens.issue(row.user_id, session_id), token, ACCESS_TOKEN_S, renewed.principal)

    def _idle(self, row: SessionRow, at: datetime) -> bool:
        known = self.directory.sessions.get(row.id)
        seen = known.seen if known is not None else row.last_seen_at.timestamp()
        return at >= row.expires_at or at.timestamp() - seen >= IDLE_S

    async def logout(self, session_id: str) -> None:
        """End a session; its access tokens and its cookie are dead at once."""
        await self._end_session(session_id, "auth.logout")

    async def revoke_session(self, session_id: str, *, user_id: str | None = None) -> None:
        """End somebody's session. With `user_id`, only if it is theirs. Raises `NotFound`."""
        known = self.directory.sessions.get(session_id)
        if known is None or (user_id is not None and known.user_id != user_id):
            raise NotFound("There is no such session", code="session_not_found", hint="It may be over already.")
        await self._end_session(session_id, "auth.session_revoke")

    async def _end_session(self, session_id: str, action: str) -> None:
        # From memory first: whatever happens to the database, the session is dead now.
        known = self.directory.sessions.get(session_id)
        self.directory.drop_session(session_id)
        async with self._parts.database.transaction() as session:
            await AccessRepository(session).revoke_sessions([session_id], now())
        self._parts.session_ended(session_id)
        self._parts.record(action, "session", session_id, user_id=known.user_id if known is not None else "")

    async def sessions(self, user_id: str | None = None) -> Sequence[SessionInfo]:
        """Live sessions, newest first; of one user, or of all."""
        async with self._parts.database.session() as session:
            rows = await AccessRepository(session).live_sessions(now(), user_id)
        found = []
        for row in rows:
            known = self.directory.sessions.get(row.id)
            if known is None:
                continue
            seen = datetime.fromtimestamp(known.seen, UTC)
            found.append(SessionInfo(row.id, row.user_id, row.user_agent, row.address, row.created_at, seen, row.expires_at))
        return found

    async def change_password(self, principal: Principal, current: str, new: str) -> None:
        """Change one's own password; every other session of the user ends. Raises `Unauthenticated`, `InvalidInput`."""
        account = f"account:{principal.name}"
        await self.limits.check("auth", account)
        row = await self.users.get(principal.id)
        if not await self._parts.passwords.verify(row.password_hash, current):
            self._parts.record("auth.password_failed", "user", principal.id)
            raise Unauthenticated("The current password is not right", code="invalid_credentials", field="current_password")
        await self.limits.give_back("auth", account)
        await self.users.set_password(principal.id, new, keep_session=principal.session_id, action="auth.password_change")

    def months_tokens(self, key_id: str) -> int:
        """Tokens that a key has spent this month, those not yet saved included."""
        known = self.directory.keys.get(key_id)
        return known.tokens if known is not None and known.month == current_month() else 0


def _not_valid() -> Unauthenticated:
    return Unauthenticated("The session is over", code="session_over", hint="Log in again.")
