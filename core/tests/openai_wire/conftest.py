from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ai_secretary.testing.model_server import ModelServer


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer().serve() as running:
        yield running
