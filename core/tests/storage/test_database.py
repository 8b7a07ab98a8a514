from __future__ import annotations

import pytest
from pydantic import BaseModel, SecretStr
from sqlalchemy import text

from ai_secretary.events import EventBus
from ai_secretary.storage import Database, Preferences, PreferencesChanged


class Options(BaseModel):
    greeting: str = "Hello"
    token: SecretStr = SecretStr("")


async def test_a_failed_block_leaves_nothing_behind(database: Database) -> None:
    async def write_and_fail() -> None:
        async with database.transaction() as session:
            await session.execute(text("INSERT INTO preferences(subject, value, updated_at) VALUES ('x', '{}', 0)"))
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError):
        await write_and_fail()
    async with database.session() as session:
        assert (await session.execute(text("SELECT count(*) FROM preferences"))).scalar() == 0


async def test_preferences_survive_a_restart_and_are_announced(database: Database, bus: EventBus) -> None:
    heard: list[PreferencesChanged] = []
    bus.subscribe(PreferencesChanged, heard.append)
    first = Preferences(database, bus)
    await first.load()
    assert first.get("plugin:x", Options).greeting == "Hello"
    await first.set("plugin:x", Options(greeting="Добрый день", token=SecretStr("s3cret")))
    await bus.drain()
    assert [event.subject for event in heard] == ["plugin:x"]

    second = Preferences(database, bus)
    await second.load()
    options = second.get("plugin:x", Options)
    assert options.greeting == "Добрый день"
    assert options.token.get_secret_value() == "s3cret"


async def test_secret_preferences_are_encrypted_at_rest(database: Database, bus: EventBus) -> None:
    preferences = Preferences(database, bus)
    await preferences.set("plugin:x", Options(token=SecretStr("s3cret-value")))
    async with database.session() as session:
        stored = (await session.execute(text("SELECT value FROM preferences"))).scalar_one()
    assert "s3cret-value" not in stored
    assert "$secret" in stored
