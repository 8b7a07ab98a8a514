"""`ai-secretary user …` and `ai-secretary key …`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ai_secretary.cli.run import give_up, with_application

if TYPE_CHECKING:
    from ai_secretary.app import Application

users = typer.Typer(help="Users of the admin.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)


@users.command("list")
def list_users() -> None:
    """Every user."""

    async def work(application: Application) -> None:
        for user in await application.access.users.all():
            print(f"{user.username:24} {user.role:10} {'active' if user.active else 'locked'}")

    with_application(work)


@users.command("create")
def create_user(
    username: str,
    role: Annotated[str, typer.Option(help="admin, operator or viewer.")] = "operator",
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = "",
) -> None:
    """Make a user; asks for the password."""
    from ai_secretary.access import ROLES

    if role not in ROLES:
        give_up(f"There is no role {role}: choose admin, operator or viewer.")

    async def work(application: Application) -> None:
        await application.access.users.create(username, password, role)
        print(f"User {username} can log in.")

    with_application(work)


@users.command("password")
def set_password(
    username: str, password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)] = ""
) -> None:
    """Set a new password and end all sessions of the user."""

    async def work(application: Application) -> None:
        user = await application.access.users.by_name(username)
        if user is None:
            give_up(f"There is no user {username}.")
        await application.access.users.set_password(user.id, password)
        print(f"The password of {username} is changed; all sessions are ended.")

    with_application(work)


@keys.command("list")
def list_keys() -> None:
    """Every API key, without the secrets."""

    async def work(application: Application) -> None:
        for key in await application.access.keys.all():
            print(f"{key.id:36} {key.prefix:12} {'on ' if key.enabled else 'off'} {key.name}")

    with_application(work)


@keys.command("create")
def create_key(
    name: str,
    scope: Annotated[list[str] | None, typer.Option(help="A permission, may be repeated; default: all of /v1.")] = None,
) -> None:
    """Make an API key and print it once."""
    from ai_secretary.access import KeyChange

    async def work(application: Application) -> None:
        created = await application.access.keys.create(KeyChange(name=name, scopes=tuple(scope or ("*",))))
        print(created.raw)

    with_application(work)


@keys.command("delete")
def delete_key(key_id: str) -> None:
    """Delete an API key; it stops working at once."""

    async def work(application: Application) -> None:
        await application.access.keys.delete(key_id)
        print("Deleted.")

    with_application(work)
