from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.events import EventBus
from ai_secretary.storage import Base, Database, Preferences
from ai_secretary.storage.migrations import create_schema_for_tests


@pytest.fixture
def stored_preferences(tmp_path: Path, vault: object) -> Callable[..., Preferences]:
    """Makes preferences with these dialogue options, stored and loaded by a loop of their own."""

    def make(**options: object) -> Preferences:
        async def store() -> Preferences:
            database = Database(f"sqlite:///{tmp_path / 'preferences.db'}")
            await create_schema_for_tests(database, Base.metadata)
            preferences = Preferences(database, EventBus())
            await preferences.set(SUBJECT, DialoguePreferences.model_validate(options))
            await database.dispose()
            return preferences

        return asyncio.run(store())

    return make
