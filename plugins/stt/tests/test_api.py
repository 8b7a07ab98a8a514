"""`/admin/stt/models` over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace

import httpx
import pytest
from argon2 import PasswordHasher
from fastapi import FastAPI

from ai_secretary.access import Access, Passwords, RateLimits
from ai_secretary.api.problems import install_problems
from ai_secretary.storage import Vault

from .conftest import Running

PASSWORD = "correct horse battery"


@pytest.fixture
async def clients(stt: Running, vault: Vault) -> AsyncIterator[dict[str, httpx.AsyncClient]]:
    """A client per role, and "" for a stranger."""
    context = stt.context
    hasher = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    access = Access(
        context.database, vault, context.bus, context.audit, RateLimits({"auth": "off", "default": "off"}), passwords=hasher
    )
    await access.load()
    app = FastAPI()
    app.state.secretary = SimpleNamespace(access=access)
    install_problems(app)
    [(router, prefix)] = stt.registries.routes.values()
    app.include_router(router, prefix=prefix)
    found = {"": httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://secretary.test")}
    for role in ("admin", "operator", "viewer"):
        await access.users.create(role, PASSWORD, role)  # type: ignore[arg-type]
        login = await access.login(role, PASSWORD, "203.0.113.7", "test")
        found[role] = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://secretary.test",
            headers={"authorization": f"Bearer {login.access_token}"},
        )
    stt.audited.clear()
    yield found
    for client in found.values():
        await client.aclose()
    await access.close()


async def test_the_list_tells_the_truth(stt: Running, clients: dict[str, httpx.AsyncClient]) -> None:
    answer = (await clients["viewer"].get("/admin/stt/models")).json()
    models = {model["id"]: model for model in answer["models"]}
    assert (models["whisper/base"]["state"], models["whisper/base"]["streaming"]) == ("idle", False)
    assert models["whisper/base"]["deletable"] is False
    assert models["vosk/small-ko"]["languages"] == ["ko"]
    assert 140 < models["whisper/base"]["size_mb"] < 160
    catalogue = {offer["id"]: offer for offer in answer["catalogue"]}
    assert catalogue["whisper/base"]["installed"] is True
    assert catalogue["vosk/small-ru-0.22"]["installed"] is False
    assert answer["models_dir"].endswith("models/stt")
    assert answer["download_url"].startswith("https://")


async def test_roles_and_strangers(stt: Running, clients: dict[str, httpx.AsyncClient]) -> None:
    writes = [
        ("POST", "/admin/stt/models/download", {"model": "whisper/small"}),
        ("POST", "/admin/stt/models/rescan", None),
        ("POST", "/admin/stt/models/whisper/base/load", None),
        ("POST", "/admin/stt/models/whisper/base/unload", None),
        ("DELETE", "/admin/stt/models/whisper/base", None),
    ]
    for method, path, body in (("GET", "/admin/stt/models", None), *writes):
        assert (await clients[""].request(method, path, json=body)).status_code == 401
    for method, path, body in writes:
        assert (await clients["viewer"].request(method, path, json=body)).status_code == 403
    assert (await clients["operator"].post("/admin/stt/models/rescan")).status_code == 200
    assert stt.models.library.find("whisper/base") is not None


async def test_actions_are_audited_and_refusals_are_clear(stt: Running, clients: dict[str, httpx.AsyncClient]) -> None:
    admin = clients["admin"]
    queued = await admin.post("/admin/stt/models/download", json={"model": "whisper/small"})
    assert (queued.status_code, queued.json()["state"]) == (202, "queued")
    unknown = await admin.post("/admin/stt/models/download", json={"model": "whisper/none"})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "stt_model_unknown")
    there = await admin.post("/admin/stt/models/download", json={"model": "whisper/base"})
    assert (there.status_code, there.json()["code"]) == (409, "stt_model_exists")
    kept = await admin.delete("/admin/stt/models/whisper/base")
    assert (kept.status_code, kept.json()["code"]) == (409, "stt_not_deletable")
    for path in (
        "/admin/stt/models/whisper/..%2F..%2Fsecret.key",
        "/admin/stt/models/..%2F../x",
        "/admin/stt/models/whisper/none",
    ):
        assert (await admin.delete(path)).status_code in {404, 405}
    assert [(event.action, event.resource_id, event.actor_name) for event in stt.audited] == [
        ("stt.model.download", "whisper/small", "admin")
    ]


@pytest.mark.models
async def test_load_and_unload(stt: Running, clients: dict[str, httpx.AsyncClient]) -> None:
    loaded = await clients["operator"].post("/admin/stt/models/whisper/tiny.en/load")
    assert (loaded.json()["state"], loaded.json()["reason"]) == ("ready", "")
    assert loaded.json()["load_seconds"] > 0
    assert (await clients["operator"].post("/admin/stt/models/whisper/tiny.en/unload")).status_code == 204
    models = (await clients["viewer"].get("/admin/stt/models")).json()["models"]
    assert {model["state"] for model in models} == {"idle"}
