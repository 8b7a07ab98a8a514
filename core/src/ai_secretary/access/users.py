"""People who may log in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from ai_secretary.access.models import UserRow
from ai_secretary.access.parts import AccessParts, account_name
from ai_secretary.access.passwords import check_password_rule, generate_password
from ai_secretary.access.principal import ROLES, Role
from ai_secretary.access.repository import AccessRepository
from ai_secretary.errors import Conflict, InvalidInput, NotFound
from ai_secretary.ids import new_id
from ai_secretary.storage import now

_USERNAME = re.compile(r"^[\w][\w.@+-]{1,63}$")


class Users:
    """Create, change and delete users; every change is audited and takes effect at once."""

    def __init__(self, parts: AccessParts) -> None:
        self._parts = parts

    async def all(self) -> Sequence[UserRow]:
        async with self._parts.database.session() as session:
            return await AccessRepository(session).users()

    async def get(self, user_id: str) -> UserRow:
        """Raises `NotFound`."""
        async with self._parts.database.session() as session:
            return _found(await AccessRepository(session).user(user_id))

    async def by_name(self, username: str) -> UserRow | None:
        async with self._parts.database.session() as session:
            return await AccessRepository(session).user_by_name(account_name(username))

    async def create(
        self, username: str, password: str, role: Role, *, display_name: str = "", active: bool = True, check_rule: bool = True
    ) -> UserRow:
        """Raises `InvalidInput` for a bad name, role or password, `Conflict` for a name that is taken.

        `check_rule=False` is for a password that the operator set in the environment: it is theirs to choose.
        """
        name = account_name(username)
        if not _USERNAME.match(name):
            raise InvalidInput(
                "A user name has 2 to 64 letters, digits or . _ @ + -",
                code="bad_username",
                field="username",
                hint="Spaces are not possible; the displayed name may have them.",
            )
        _check_role(role)
        if check_rule:
            check_password_rule(password, username=name)
        row = UserRow(
            id=new_id("usr"),
            username=name,
            display_name=display_name.strip(),
            password_hash=await self._parts.passwords.hash(password),
            role=role,
            active=active,
        )
        try:
            async with self._parts.database.transaction() as session:
                AccessRepository(session).add(row)
        except IntegrityError as error:
            raise Conflict(
                "The name {username} is taken",
                code="username_taken",
                field="username",
                hint="Choose another name.",
                username=name,
            ) from error
        self._parts.directory.put_user(row)
        self._parts.changed("user", row.id)
        self._parts.record("user.create", "user", row.id, username=name, role=role, active=active)
        return row

    async def update(
        self, user_id: str, *, role: Role | None = None, active: bool | None = None, display_name: str | None = None
    ) -> UserRow:
        """None leaves a field as it is. Raises `NotFound`, and `Conflict` if no active admin would remain."""
        if role is not None:
            _check_role(role)
        async with self._parts.changing, self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = _found(await repository.user(user_id))
            loses_admin = row.role == "admin" and row.active and (role not in (None, "admin") or active is False)
            if loses_admin and not await repository.other_active_admins(user_id):
                raise _last_admin()
            before = {"role": row.role, "active": row.active, "display_name": row.display_name}
            row.role = role if role is not None else row.role
            row.active = active if active is not None else row.active
            row.display_name = display_name.strip() if display_name is not None else row.display_name
            ended = [] if row.active else await self._revoke(repository, user_id)
        after = {"role": row.role, "active": row.active, "display_name": row.display_name}
        self._parts.directory.put_user(row)
        self._parts.changed("user", row.id)
        self._end(ended)
        changes = {name: {"from": before[name], "to": value} for name, value in after.items() if before[name] != value}
        self._parts.record("user.update", "user", row.id, username=row.username, changes=changes)
        return row

    async def delete(self, user_id: str) -> None:
        """Raises `NotFound`, and `Conflict` for the last active admin."""
        async with self._parts.changing, self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = _found(await repository.user(user_id))
            if row.role == "admin" and row.active and not await repository.other_active_admins(user_id):
                raise _last_admin()
            ended = await self._revoke(repository, user_id)
            await repository.delete_user(user_id)
        self._parts.directory.drop_user(user_id)
        self._parts.changed("user", user_id)
        self._end(ended)
        self._parts.record("user.delete", "user", user_id, username=row.username, role=row.role)

    async def set_password(
        self, user_id: str, password: str | None, *, keep_session: str | None = None, action: str = "user.reset_password"
    ) -> str:
        """Set (or, with None, generate) a password and end the user's sessions, except `keep_session`. Returns the password."""
        async with self._parts.database.session() as session:
            row = _found(await AccessRepository(session).user(user_id))
        chosen = generate_password() if password is None else password
        check_password_rule(chosen, username=row.username)
        hashed = await self._parts.passwords.hash(chosen)
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = _found(await repository.user(user_id))
            row.password_hash = hashed
            ended = await self._revoke(repository, user_id, keep_session=keep_session)
        self._end(ended)
        self._parts.changed("user", user_id)
        self._parts.record(action, "user", user_id, username=row.username, sessions_ended=len(ended))
        return chosen

    async def end_sessions(self, user_id: str, *, keep_session: str | None = None) -> int:
        """Log the user out everywhere; returns how many sessions ended."""
        async with self._parts.database.transaction() as session:
            repository = AccessRepository(session)
            row = _found(await repository.user(user_id))
            ended = await self._revoke(repository, user_id, keep_session=keep_session)
        self._end(ended)
        self._parts.record("user.logout_everywhere", "user", user_id, username=row.username, sessions_ended=len(ended))
        return len(ended)

    async def _revoke(self, repository: AccessRepository, user_id: str, *, keep_session: str | None = None) -> list[str]:
        at: datetime = now()
        ended = [row.id for row in await repository.live_sessions(at, user_id) if row.id != keep_session]
        if ended:
            await repository.revoke_sessions(ended, at)
        return ended

    def _end(self, session_ids: Sequence[str]) -> None:
        for session_id in session_ids:
            self._parts.session_ended(session_id)


def _found(row: UserRow | None) -> UserRow:
    if row is None:
        raise NotFound("There is no such user", code="user_not_found", hint="The list of users has their ids.")
    return row


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput("A role is one of {roles}", code="bad_role", field="role", roles=", ".join(ROLES))


def _last_admin() -> Conflict:
    return Conflict(
        "This is the last active administrator",
        code="last_admin",
        hint="Make somebody else an administrator first.",
    )
