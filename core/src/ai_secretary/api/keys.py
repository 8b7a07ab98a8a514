"""`/admin/keys`: API keys for programs. For administrators."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, BaseModel, Field

from ai_secretary.access import KeyChange, NewKey
from ai_secretary.access.models import ApiKeyRow
from ai_secretary.api.problems import problem_responses
from ai_secretary.api.security import require

if TYPE_CHECKING:
    from ai_secretary.app import Application


def _aware(moment: datetime) -> datetime:
    """A moment without a time zone is UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


Moment = Annotated[datetime, AfterValidator(_aware)]
_MOST = 2**53 - 1


class KeyBody(BaseModel):
    """What a key may do. All fields are replaced together; null means without limit."""

    name: str = Field(min_length=1, max_length=100)
    scopes: list[str] = Field(
        ["*"],
        min_length=1,
        max_length=100,
        description="* (all of /v1), v1:chat, v1:audio, v1:embeddings, v1:models, area:action",
    )
    enabled: bool = True
    expires_at: Moment | None = None
    per_minute: int | None = Field(None, ge=1, le=1_000_000, description="Requests per minute")
    monthly_tokens: int | None = Field(None, ge=1, le=_MOST, description="Model tokens per calendar month (UTC)")

    def change(self) -> KeyChange:
        return KeyChange(self.name, tuple(self.scopes), self.enabled, self.expires_at, self.per_minute, self.monthly_tokens)


class KeyItem(BaseModel):
    id: str
    name: str
    prefix: str = Field(description="First characters of the key")
    scopes: list[str]
    enabled: bool
    expires_at: datetime | None
    per_minute: int | None
    monthly_tokens: int | None
    tokens_this_month: int
    created_by: str
    created_at: datetime
    updated_at: datetime
    last_used_at: datetime | None


class KeysReply(BaseModel):
    keys: list[KeyItem]


class NewKeyReply(KeyItem):
    key: str = Field(description="The key itself: shown this once, not stored")


def build_router(application: Application) -> APIRouter:
    access = application.access
    keys = access.keys
    router = APIRouter(
        prefix="/admin/keys",
        tags=["keys"],
        dependencies=[Depends(require("keys:admin"))],
        responses=problem_responses(401, 403),
    )

    def item(row: ApiKeyRow) -> KeyItem:
        known = access.directory.keys.get(row.id)
        last_used = row.last_used_at
        if known is not None and known.used > known.saved_used:
            last_used = datetime.fromtimestamp(known.used, UTC)
        return KeyItem(
            id=row.id,
            name=row.name,
            prefix=row.prefix,
            scopes=row.scopes,
            enabled=row.enabled,
            expires_at=row.expires_at,
            per_minute=row.per_minute,
            monthly_tokens=row.monthly_tokens,
            tokens_this_month=access.months_tokens(row.id),
            created_by=row.created_by,
            created_at=row.created_at,
            updated_at=row.updated_at,
            last_used_at=last_used,
        )

    def with_key(new: NewKey) -> NewKeyReply:
        return NewKeyReply(**item(new.row).model_dump(), key=new.raw)

    @router.get("", summary="All keys")
    async def list_keys() -> KeysReply:
        return KeysReply(keys=[item(row) for row in await keys.all()])

    @router.post("", summary="Create a key", status_code=201, responses=problem_responses(400))
    async def create_key(body: KeyBody) -> NewKeyReply:
        """The answer holds the key, this once."""
        return with_key(await keys.create(body.change()))

    @router.get("/{key_id}", summary="One key", responses=problem_responses(404))
    async def get_key(key_id: str) -> KeyItem:
        return item(await keys.get(key_id))

    @router.put("/{key_id}", summary="Change a key", responses=problem_responses(400, 404))
    async def update_key(key_id: str, body: KeyBody) -> KeyItem:
        return item(await keys.update(key_id, body.change()))

    @router.delete("/{key_id}", summary="Delete a key", status_code=204, responses=problem_responses(404))
    async def delete_key(key_id: str) -> None:
        """The key stops working at once."""
        await keys.delete(key_id)

    @router.post("/{key_id}/rotate", summary="Replace the key, keep its rights", responses=problem_responses(404))
    async def rotate_key(key_id: str) -> NewKeyReply:
        """The old key stops working at once; the answer holds the new one, this once."""
        return with_key(await keys.rotate(key_id))

    return router
