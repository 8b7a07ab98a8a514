"""The plugin in a real application, as tests use it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from ai_secretary.app import Application
from ai_secretary.config import Settings
from ai_secretary.testing.model_server import ModelServer
from ai_secretary_llm_cloud.providers import CloudProviders

PASSWORD, KEY = "a-long-password-1", "a-long-key-12345"


@dataclass
class House:
    application: Application
    client: httpx.AsyncClient
    admin: dict[str, str]

    @property
    def providers(self) -> CloudProviders:
        found: CloudProviders = self.application.registries.service("llm_cloud.providers")
        return found

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
        return await self.client.request(method, path, json=body, headers=self.admin if headers is None else headers)

    async def connect(self, server: ModelServer, **more: Any) -> dict[str, Any]:
        """A provider of the type `custom` over the local server."""
        body = {
            "name": "Office",
            "type": "custom",
            "base_url": server.url,
            "model": "test-model",
            "api_key": "sk-office-0123456789",
        }
        answer = await self.ask("POST", "/admin/llm/providers", {**body, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def audit(self) -> list[dict[str, Any]]:
        await self.application.journal.flush()
        rows: list[dict[str, Any]] = (await self.ask("GET", "/admin/audit/logs")).json().get("logs", [])
        return rows

    async def user(self, role: str) -> dict[str, str]:
        body = {"username": role, "password": PASSWORD, "role": role}
        assert (await self.ask("POST", "/admin/users", body)).status_code in {200, 201}
        return await log_in(self.client, role)


async def log_in(client: httpx.AsyncClient, username: str) -> dict[str, str]:
    answer = await client.post("/admin/auth/login", json={"username": username, "password": PASSWORD})
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


def configured(settings: Settings, **more: Any) -> Settings:
    return settings.model_copy(
        update={"plugins": ("llm_cloud",), "admin_password": SecretStr(PASSWORD), "api_key": SecretStr(KEY), **more}
    )
