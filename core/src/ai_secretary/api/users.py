"""`/admin/users`: people who may log in. For administrators."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field, SecretStr

from ai_secretary.access import Role
from ai_secretary.access.models import UserRow
from ai_secretary.api.problems import problem_responses
from ai_secretary.api.security import require

if TYPE_CHECKING:
    from ai_secretary.app import Application


class UserItem(BaseModel):
    id: str
    username: str
    display_name: str
    role: Role
    active: bool
    created_at: datetime
    updated_at: datetime
    last_login_at: datetime | None


class UsersReply(BaseModel):
    users: list[UserItem]


class NewUser(BaseModel):
    username: str = Field(max_length=64, description="2 to 64 letters, digits or . _ @ + -")
    password: SecretStr = Field(max_length=1024, description="10 characters or more")
    role: Role = "viewer"
    display_name: str = Field("", max_length=100)
    active: bool = True


class UserChange(BaseModel):
    """Fields that are absent stay as they are."""

    role: Role | None = None
    active: bool | None = None
    display_name: str | None = Field(None, max_length=100)


class ResetRequest(BaseModel):
    password: SecretStr | None = Field(None, max_length=1024, description="Default: a random one")


class ResetReply(BaseModel):
    password: str | None = Field(description="The random password, shown this once; null when the request chose one")


class EndedReply(BaseModel):
    ended: int = Field(description="How many sessions ended")


def _item(row: UserRow) -> UserItem:
    return UserItem.model_validate(row, from_attributes=True)


def build_router(application: Application) -> APIRouter:
    users = application.access.users
    router = APIRouter(
        prefix="/admin/users",
        tags=["users"],
        dependencies=[Depends(require("users:admin"))],
        responses=problem_responses(401, 403),
    )

    @router.get("", summary="All users")
    async def list_users() -> UsersReply:
        return UsersReply(users=[_item(row) for row in await users.all()])

    @router.post("", summary="Create a user", status_code=201, responses=problem_responses(400, 409))
    async def create_user(wanted: NewUser) -> UserItem:
        row = await users.create(
            wanted.username,
            wanted.password.get_secret_value(),
            wanted.role,
            display_name=wanted.display_name,
            active=wanted.active,
        )
        return _item(row)

    @router.get("/{user_id}", summary="One user", responses=problem_responses(404))
    async def get_user(user_id: str) -> UserItem:
        return _item(await users.get(user_id))

    @router.put("/{user_id}", summary="Change role, name or state", responses=problem_responses(400, 404, 409))
    async def update_user(user_id: str, change: UserChange) -> UserItem:
        """Deactivating ends every session of the user at once. The last active administrator stays one."""
        return _item(await users.update(user_id, role=change.role, active=change.active, display_name=change.display_name))

    @router.delete("/{user_id}", summary="Delete a user", status_code=204, responses=problem_responses(404, 409))
    async def delete_user(user_id: str) -> None:
        await users.delete(user_id)

    @router.post("/{user_id}/password", summary="Set a new password", responses=problem_responses(400, 404))
    async def reset_password(user_id: str, wanted: ResetRequest | None = None) -> ResetReply:
        """Every session of the user ends."""
        chosen = wanted.password.get_secret_value() if wanted is not None and wanted.password is not None else None
        password = await users.set_password(user_id, chosen)
        return ResetReply(password=password if chosen is None else None)

    @router.post("/{user_id}/logout", summary="Log the user out everywhere", responses=problem_responses(404))
    async def log_out(user_id: str) -> EndedReply:
        return EndedReply(ended=await users.end_sessions(user_id))

    return router
