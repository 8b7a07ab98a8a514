"""The plugin in the real application: endpoints with their permissions, audit, /v1, disabling, options."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from llm_local_files import tiny_model
from pydantic import SecretStr

from ai_secretary.app import Application
from ai_secretary.app.web import build_web
from ai_secretary.config import Settings
from ai_secretary.testing.mirror import Mirror
from ai_secretary_llm_local.service import LocalModels

pytestmark = pytest.mark.models
PASSWORD, KEY = "a-long-password-1", "a-long-key-12345"


@dataclass
class Running:
    application: Application
    client: httpx.AsyncClient
    admin: dict[str, str]

    @property
    def models(self) -> LocalModels:
        found: LocalModels = self.application.registries.service("llm_local.models")
        return found

    @property
    def folder(self) -> Path:
        return self.models.library.own_folder

    async def ask(self, method: str, path: str, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        return await self.client.request(method, path, headers=self.admin if headers is None else headers, **more)

    async def user(self, role: str) -> dict[str, str]:
        body = {"username": role, "password": PASSWORD, "role": role}
        assert (await self.ask("POST", "/admin/users", json=body)).status_code in {200, 201}
        return await log_in(self.client, role)


async def log_in(client: httpx.AsyncClient, username: str) -> dict[str, str]:
    answer = await client.post("/admin/auth/login", json={"username": username, "password": PASSWORD})
    return {"authorization": f"Bearer {answer.json()['access_token']}"}


@pytest.fixture
async def running(settings: Settings) -> AsyncIterator[Running]:
    configured = settings.model_copy(
        update={"plugins": ("llm_local",), "admin_password": SecretStr(PASSWORD), "api_key": SecretStr(KEY), "safe_mode": False}
    )
    application = Application(configured)
    await application.open()
    transport = httpx.ASGITransport(app=build_web(application))
    application.ready.set()
    async with httpx.AsyncClient(transport=transport, base_url="http://secretary.test", timeout=60) as client:
        yield Running(application, client, await log_in(client, "admin"))
    await application.close()


async def test_the_demo_model_is_loaded_in_the_background_and_listed(running: Running) -> None:
    assert running.application.host.get("llm_local").state == "started"
    async with asyncio.timeout(30):
        while True:
            listed = (await running.ask("GET", "/admin/llm/local")).json()
            if listed["models"] and listed["models"][0]["state"] == "ready":
                break
            await asyncio.sleep(0.1)
    model = listed["models"][0]
    assert (model["id"], model["demo"], model["languages"], model["deletable"]) == ("local/smollm2-135m", True, ["en"], False)
    assert model["memory"] > 100 << 20
    assert model["memory"] < model["memory_needed"] * 1.2
    assert listed["memory_total"] > listed["memory_free"] > 0
    assert running.models.health().state == "ok"


async def test_v1_answers_with_the_local_model_and_counts_its_speed(running: Running) -> None:
    headers = {"authorization": f"Bearer {KEY}"}
    body = {"model": "local/smollm2-135m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 24}
    answer = await running.ask("POST", "/v1/chat/completions", headers, json=body)
    assert answer.status_code == 200
    assert answer.json()["usage"]["completion_tokens"] >= 1
    streamed = await running.ask(
        "POST", "/v1/chat/completions", headers, json={**body, "stream": True, "stream_options": {"include_usage": True}}
    )
    events = [line.removeprefix("data: ") for line in streamed.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["usage"]["total_tokens"] > 10
    status = (await running.ask("GET", "/admin/llm/local/smollm2-135m")).json()
    assert status["tokens_per_second"] > 1
    long = await running.ask(
        "POST", "/v1/chat/completions", headers, json={**body, "messages": [{"role": "user", "content": "hi " * 9000}]}
    )
    assert long.status_code == 400
    assert "context" in long.text


async def test_load_unload_rescan_and_delete(running: Running) -> None:
    loaded = (await running.ask("POST", "/admin/llm/local/smollm2-135m/load")).json()
    assert loaded["state"] == "ready"
    pid = running.models.pool.get("local/smollm2-135m").process.pid  # type: ignore[union-attr]
    assert (await running.ask("POST", "/admin/llm/local/smollm2-135m/unload")).json()["state"] == "stopped"
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE

    running.folder.mkdir(parents=True, exist_ok=True)
    (running.folder / "mine.gguf").write_bytes(tiny_model())
    assert (await running.ask("POST", "/admin/llm/local/rescan")).json() == {"changed": True, "models": 2}
    assert "local/mine" in {info.id for info in running.application.registries.models()}
    broken = await running.ask("POST", "/admin/llm/local/mine/load")
    assert broken.status_code == 503
    assert broken.json()["code"] == "model_broken"
    assert running.models.health().state == "error"
    deleted = await running.ask("DELETE", "/admin/llm/local/mine")
    assert deleted.json() == {"freed": len(tiny_model())}
    assert list(running.folder.iterdir()) == []
    refused = await running.ask("DELETE", "/admin/llm/local/smollm2-135m")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_our_file")
    for path in ("nothing", "..%2F..%2Fsecret.key", "%2e%2e"):
        assert (await running.ask("DELETE", f"/admin/llm/local/{path}")).status_code in {404, 405}
    expected = ("llm_local.load", "llm_local.unload", "llm_local.delete")
    async with asyncio.timeout(10):
        # the audit is written behind
        while [action for action in expected if action not in (await running.ask("GET", "/admin/audit?limit=50")).text]:
            await asyncio.sleep(0.05)


async def test_permissions(running: Running) -> None:
    viewer, operator = await running.user("viewer"), await running.user("operator")
    assert (await running.ask("GET", "/admin/llm/local", {})).status_code == 401
    assert (await running.ask("GET", "/admin/llm/local", viewer)).status_code == 200
    assert (await running.ask("GET", "/admin/llm/catalogue", viewer)).status_code == 200
    assert (await running.ask("POST", "/admin/llm/local/rescan", viewer)).status_code == 403
    assert (await running.ask("POST", "/admin/llm/downloads", viewer, json={"entry": "qwen3-0.6b"})).status_code == 403
    assert (await running.ask("POST", "/admin/llm/local/rescan", operator)).status_code == 200
    assert (await running.ask("DELETE", "/admin/llm/local/smollm2-135m", operator)).status_code == 403
    direct = {"url": "https://example.org/model.gguf"}
    assert (await running.ask("POST", "/admin/llm/downloads", operator, json=direct)).status_code == 403


async def test_a_recommended_model_is_downloaded_and_appears(running: Running, mirror: Mirror) -> None:
    saved = await running.ask("PUT", "/admin/plugins/llm_local/options", json={"hub_url": mirror.url})
    assert saved.status_code == 200
    mirror.files["Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf"] = tiny_model("Qwen3 0.6B") + b"\0" * 500_000
    found = (await running.ask("GET", "/admin/llm/catalogue/search", params={"query": "qwen3"})).json()
    assert [item["id"] for item in found["repositories"]] == ["Qwen/Qwen3-0.6B-GGUF"]
    files = (await running.ask("GET", "/admin/llm/catalogue/files", params={"repo": "Qwen/Qwen3-0.6B-GGUF"})).json()
    assert files["files"][0]["name"] == "Qwen3-0.6B-Q8_0.gguf"
    started = await running.ask("POST", "/admin/llm/downloads", json={"entry": "qwen3-0.6b"})
    assert started.status_code == 202
    job = started.json()["id"]
    async with asyncio.timeout(20):
        while (state := (await running.ask("GET", f"/admin/jobs/{job}")).json()["state"]) not in {"done", "failed"}:
            await asyncio.sleep(0.05)
    assert state == "done"
    entries = (await running.ask("GET", "/admin/llm/catalogue")).json()["entries"]
    entry = next(item for item in entries if item["id"] == "qwen3-0.6b")
    assert entry["installed"] == "local/qwen3-0.6b-q8-0"
    assert "local/qwen3-0.6b-q8-0" in {info.id for info in running.application.registries.models()}
    again = await running.ask("POST", "/admin/llm/downloads", json={"entry": "qwen3-0.6b"})
    assert (again.status_code, again.json()["code"]) == (409, "already_downloaded")


ODD_ORDERS: list[dict[str, object]] = [
    {},
    {"entry": "qwen3-0.6b", "url": "https://example.org/x.gguf"},
    {"repo": "Qwen/Qwen3-0.6B-GGUF"},
    {"repo": "../x", "file": "x.gguf"},
    {"repo": "a/b", "file": "../x.gguf"},
    {"url": "file:///etc/passwd"},
    {"entry": "qwen3-0.6b", "sha256": "zz"},
    {"entry": "x", "more": 1},
]
ODD_OPTIONS: list[dict[str, object]] = [
    {"threads": -1}, {"context_tokens": 10}, {"parallel": 0}, {"hub_url": "ftp://x"}, {"hub_url": ""},
    {"model_folders": ["relative/path"]},
]  # fmt: skip


async def test_odd_orders_and_options_are_refused(running: Running) -> None:
    for body in ODD_ORDERS:
        answer = await running.ask("POST", "/admin/llm/downloads", json=body)
        assert answer.status_code in {400, 404, 422}, body
    assert not running.folder.exists() or list(running.folder.iterdir()) == []
    before = running.models.options
    for options in ODD_OPTIONS:
        answer = await running.ask("PUT", "/admin/plugins/llm_local/options", json=options)
        assert answer.status_code in {400, 422}, options
        assert next(iter(options)) in answer.text
    assert running.models.options == before


async def test_turning_the_plugin_off_takes_everything_with_it_and_on_brings_it_back(running: Running) -> None:
    await running.ask("POST", "/admin/llm/local/smollm2-135m/load")
    pid = running.models.pool.get("local/smollm2-135m").process.pid  # type: ignore[union-attr]
    await running.application.host.disable("llm_local")
    await running.application.bus.drain()
    assert running.application.registries.models() == []
    assert (await running.ask("GET", "/admin/llm/local")).status_code == 404
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    await running.application.host.enable("llm_local")
    await running.application.bus.drain()
    assert (await running.ask("GET", "/admin/llm/local")).status_code == 200


async def test_the_hubs_key_is_never_shown(running: Running) -> None:
    secret = "hf_averyverysecretkey"
    answer = await running.ask("PUT", "/admin/plugins/llm_local/options", json={"hub_token": secret})
    assert answer.status_code == 200
    assert secret not in answer.text
    assert secret not in (await running.ask("GET", "/admin/plugins/llm_local/options")).text
    assert running.models.downloads.hub.headers_for("https://huggingface.co/x")["authorization"] == f"Bearer {secret}"
    assert "authorization" not in running.models.downloads.hub.headers_for("https://cdn.example.org/x")
