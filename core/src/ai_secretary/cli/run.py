"""What every command needs: settings in words, an application that does not listen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from ai_secretary.app import Application
    from ai_secretary.config import Settings


def give_up(text: str) -> NoReturn:
    print(text, file=sys.stderr)
    raise typer.Exit(1)


def read_settings(**overrides: object) -> Settings:
    """The settings, or a message that names each wrong variable."""
    from pydantic import ValidationError

    from ai_secretary.config import load_settings

    try:
        return load_settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        lines = [f"  {'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        give_up("The settings are not right:\n" + "\n".join(lines))


def with_application(
    work: Callable[[Application], Coroutine[Any, Any, None]], *, plugins: bool = False, settings: Settings | None = None
) -> None:
    """Run `work` on an application that does not listen."""
    from ai_secretary.app import Application
    from ai_secretary.errors import SecretaryError

    chosen = settings or read_settings()

    async def run() -> None:
        application = Application(chosen)
        await application.open(plugins=plugins)
        try:
            await work(application)
        finally:
            await application.close()

    try:
        asyncio.run(run())
    except SecretaryError as error:
        give_up(f"{error.message}\n{error.hint}".rstrip())
