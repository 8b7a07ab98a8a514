from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ai_secretary.audit.chain import ChainWriter
from ai_secretary.conversations import Conversations, Journal
from ai_secretary.storage import Database


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[Journal]:
    journal = Journal(database, chain=ChainWriter())
    journal.start()
    yield journal
    await journal.stop()


@pytest.fixture
def conversations(database: Database) -> Conversations:
    return Conversations(database)
