"""The whole product in one process: the core with every installed plugin, its web application, an administrator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.types import ASGIApp

from ai_secretary.app import Application
from ai_secretary.app.web import build_web
from ai_secretary.config import Settings
from ai_secretary.testing.model_server import ModelServer

from .knocking import Answer, Operation, knock, operations

PASSWORD = "correct horse battery"
API_KEY = "sk-house-0123456789abcdef"
NO_LIMITS = {f"rate_limit_{group}": "1000000/minute" for group in ("default", "auth", "chat", "tts", "stt")}


@dataclass
class House:
    application: Application
    web: ASGIApp
    folder: Path
    """The data folder."""
    admin: dict[str, str]

    async def ask(self, method: str, path: str, json_body: object = ..., *, headers: Any = None, **more: Any) -> Answer:
        """As the administrator, unless `headers` say otherwise."""
        return await knock(self.web, method, path, self.admin if headers is None else headers, json_body=json_body, **more)

    async def done(self, method: str, path: str, json_body: object = ..., **more: Any) -> Any:
        """Like `ask`, for what must succeed: the JSON that came back."""
        answer = await self.ask(method, path, json_body, **more)
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.text}"
        return answer.json if answer.body[:1] in (b"{", b"[") else None

    async def log_in(self, username: str) -> dict[str, str]:
        reply = await self.done("POST", "/admin/auth/login", {"username": username, "password": PASSWORD}, headers={})
        return {"authorization": f"Bearer {reply['access_token']}"}

    async def person(self, role: str, username: str | None = None) -> dict[str, str]:
        """Make a user; headers of a log-in."""
        username = username or role
        await self.done("POST", "/admin/users", {"username": username, "password": PASSWORD, "role": role})
        return await self.log_in(username)

    async def key(self, *scopes: str) -> dict[str, str]:
        """Make an API key; its header."""
        made = await self.done("POST", "/admin/keys", {"name": "of a test", "scopes": list(scopes)})
        return {"authorization": f"Bearer {made['key']}"}

    async def operations(self) -> list[Operation]:
        found = operations(await self.done("GET", "/openapi.json", headers={}))
        assert len(found) > 100
        return found

    async def provider(self, server: ModelServer, name: str = "Office", **more: Any) -> dict[str, Any]:
        """Connect a model server."""
        body = {"name": name, "type": "custom", "base_url": server.url, "model": "test-model", "api_key": "sk-office-0123456789"}
        made: dict[str, Any] = await self.done("POST", "/admin/llm/providers", {**body, **more})
        return made

    async def audit(self) -> list[dict[str, Any]]:
        """Newest first."""
        await self.application.journal.flush()
        rows: list[dict[str, Any]] = (await self.done("GET", "/admin/audit?limit=200"))["entries"]
        return rows


async def opened(settings: Settings, **more: Any) -> House:
    """The caller closes `application`."""
    application = Application(
        settings.model_copy(update={"admin_password": SecretStr(PASSWORD), "api_key": SecretStr(API_KEY), **NO_LIMITS, **more})
    )
    await application.open()
    web = build_web(application)
    house = House(application, web, settings.data_dir, {})
    house.admin = await house.log_in("admin")
    return house


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither the developer's keys nor their model cache are part of a test."""
    for name in (
        "GEMINI_API_KEY",
        "VLLM_API_URL",
        "LLM_BACKEND",
        "SECRETARY_PERSONA",
        "ADMIN_JWT_SECRET",
        "SECRETARY_SECRET_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    """Every installed plugin runs; nothing is warmed up, for the server is never declared ready."""
    house = await opened(settings)
    assert {record.id for record in house.application.host.list() if record.running} >= {"faq", "llm_cloud", "llm_local", "stt"}
    yield house
    await house.application.close()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    async with ModelServer().serve() as running:
        yield running


def tree(folder: Path, *, without: Mapping[str, object] | None = None) -> dict[str, int]:
    """Every file under a folder, with its size."""
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part in (without or {}) for part in path.parts)
    }


async def off_the_loop(function: Any, *args: Any) -> Any:
    return await asyncio.to_thread(function, *args)
