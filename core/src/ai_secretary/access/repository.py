"""Every query of the access tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import CursorResult, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.access.models import ApiKeyRow, SessionRow, UserRow


def _count(result: Any) -> int:
    return cast(CursorResult[Any], result).rowcount


class AccessRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    # -- users

    async def users(self) -> Sequence[UserRow]:
        return (await self._session.scalars(select(UserRow).order_by(UserRow.username))).all()

    async def user(self, user_id: str) -> UserRow | None:
        return await self._session.get(UserRow, user_id)

    async def user_by_name(self, username: str) -> UserRow | None:
        return (await self._session.scalars(select(UserRow).where(UserRow.username == username))).one_or_none()

    async def user_count(self) -> int:
        return await self._session.scalar(select(func.count()).select_from(UserRow)) or 0

    async def other_active_admins(self, user_id: str) -> int:
        """How many admins would remain without this one. Locks the rows, so that two admins cannot demote each other at once."""
        query = select(UserRow.id).where(UserRow.role == "admin", UserRow.active.is_(True)).order_by(UserRow.id).with_for_update()
        return sum(1 for found in (await self._session.scalars(query)).all() if found != user_id)

    async def delete_user(self, user_id: str) -> bool:
        return _count(await self._session.execute(delete(UserRow).where(UserRow.id == user_id))) > 0

    # -- sessions

    async def session(self, session_id: str) -> SessionRow | None:
        return await self._session.get(SessionRow, session_id)

    async def live_sessions(self, at: datetime, user_id: str | None = None) -> Sequence[SessionRow]:
        query = select(SessionRow).where(SessionRow.revoked_at.is_(None), SessionRow.expires_at > at)
        if user_id is not None:
            query = query.where(SessionRow.user_id == user_id)
        return (await self._session.scalars(query.order_by(SessionRow.created_at.desc(), SessionRow.id))).all()

    async def rotate_session(self, session_id: str, old_hash: str, new_hash: str, at: datetime) -> bool:
        """Put the new token in place of exactly the old one; False when somebody was faster or the session is over."""
        result = await self._session.execute(
            update(SessionRow)
            .where(
                SessionRow.id == session_id,
                SessionRow.token_hash == old_hash,
                SessionRow.revoked_at.is_(None),
                SessionRow.expires_at > at,
            )
            .values(token_hash=new_hash, generation=SessionRow.generation + 1, last_seen_at=at)
        )
        return _count(result) == 1

    async def revoke_sessions(self, session_ids: Sequence[str], at: datetime) -> None:
        await self._session.execute(
            update(SessionRow).where(SessionRow.id.in_(session_ids), SessionRow.revoked_at.is_(None)).values(revoked_at=at)
        )

    async def touch_session(self, session_id: str, seen: datetime) -> None:
        await self._session.execute(update(SessionRow).where(SessionRow.id == session_id).values(last_seen_at=seen))

    async def purge_sessions(self, before: datetime) -> None:
        """Forget sessions that ended before a moment."""
        await self._session.execute(delete(SessionRow).where(or_(SessionRow.expires_at < before, SessionRow.revoked_at < before)))

    # -- keys

    async def keys(self) -> Sequence[ApiKeyRow]:
        return (await self._session.scalars(select(ApiKeyRow).order_by(ApiKeyRow.created_at, ApiKeyRow.id))).all()

    async def key(self, key_id: str) -> ApiKeyRow | None:
        return await self._session.get(ApiKeyRow, key_id)

    async def delete_key(self, key_id: str) -> bool:
        return _count(await self._session.execute(delete(ApiKeyRow).where(ApiKeyRow.id == key_id))) > 0

    async def touch_key(self, key_id: str, used: datetime) -> None:
        await self._session.execute(
            update(ApiKeyRow).where(ApiKeyRow.id == key_id).values(last_used_at=used, updated_at=ApiKeyRow.updated_at)
        )

    async def spend_tokens(self, key_id: str, month: str, tokens: int) -> int:
        """Add to the month's sum (several processes may do so) and return it."""
        await self._session.execute(
            update(ApiKeyRow)
            .where(ApiKeyRow.id == key_id)
            .values(
                tokens_used=case((ApiKeyRow.tokens_month == month, ApiKeyRow.tokens_used + tokens), else_=tokens),
                tokens_month=month,
                updated_at=ApiKeyRow.updated_at,
            )
        )
        return await self._session.scalar(select(ApiKeyRow.tokens_used).where(ApiKeyRow.id == key_id)) or 0

    def add(self, row: UserRow | SessionRow | ApiKeyRow) -> None:
        self._session.add(row)

    async def flush(self) -> None:
        await self._session.flush()
