"""A local server that speaks the vendors' wire, and the plugin in a real application."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ai_secretary.app import Application
from ai_secretary.app.web import build_web
from ai_secretary.config import Settings
from ai_secretary.testing.model_server import ModelServer

sys.path.insert(0, str(Path(__file__).parent / "support"))

from llm_cloud_house import House, configured, log_in


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and proxies of the developer's shell are no part of a test; a wrong proxy shows whoever follows it."""
    for name in (
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "OPENAI_API_KEY",
        "VLLM_API_URL",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer().serve() as running:
        yield running


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    application = Application(configured(settings))
    await application.open()
    transport = httpx.ASGITransport(app=build_web(application))
    async with httpx.AsyncClient(transport=transport, base_url="http://secretary.test", timeout=30, trust_env=False) as client:
        yield House(application, client, await log_in(client, "admin"))
    await application.close()
