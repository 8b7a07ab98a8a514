"""The routes, in the whole application, as an administrator and others call them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from piper_mirror import add_voice
from pydantic import SecretStr

from ai_secretary.app import Application
from ai_secretary.app.web import build_web
from ai_secretary.config import Settings
from ai_secretary.testing.mirror import Mirror

PASSWORD = "a-long-enough-password"
VOICE = "/admin/tts/piper/voices/en_US-joe-medium"


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """Logged in as the administrator of an installation with nothing but this plugin."""
    application = Application(
        settings.model_copy(
            update={"plugins": ("tts_piper",), "admin_password": SecretStr(PASSWORD), "api_key": SecretStr("k" * 20)}
        )
    )
    await application.open()
    application.ready.set()  # the server does it once it answers
    transport = httpx.ASGITransport(build_web(application))
    async with httpx.AsyncClient(transport=transport, base_url="http://secretary.test") as client:
        answer = await client.post("/admin/auth/login", json={"username": "admin", "password": PASSWORD})
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client
    await application.close()


async def get(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_voices_and_their_settings(client: httpx.AsyncClient) -> None:
    listed = await get(client, "/admin/tts/piper/voices")
    assert [(voice["id"], voice["origin"], voice["licence"]) for voice in listed["voices"]] == [
        ("piper/en_US-joe-medium", "package", "CC0")
    ]
    answer = await client.put(f"{VOICE}/params", json={"noise_scale": 0.4})
    assert answer.json()["parameters"]["noise_scale"] == 0.4
    assert (await get(client, f"{VOICE}/params"))["noise_scale"] == 0.4
    for wrong in ({"noise_scale": 9}, {"speed": "fast"}, {"colour": 1}, {"speaker": 7}):
        answer = await client.put(f"{VOICE}/params", json=wrong)
        assert 400 <= answer.status_code < 500, wrong
    assert (await get(client, f"{VOICE}/params"))["noise_scale"] == 0.4  # nothing was lost
    await client.put(f"{VOICE}/params", json={})
    assert (await get(client, f"{VOICE}/params"))["noise_scale"] is None


async def test_options(client: httpx.AsyncClient) -> None:
    answer = await client.put("/admin/tts/piper/params", json={"speed": 1.2})
    assert answer.status_code == 200
    assert (await get(client, "/admin/tts/piper/params"))["speed"] == 1.2
    for wrong in ({"speed": 0}, {"catalogue_url": "file:///etc/passwd"}, {"voices_in_memory": 0}):
        assert 400 <= (await client.put("/admin/tts/piper/params", json=wrong)).status_code < 500


async def test_a_voice_is_loaded_and_speaks_at_the_openai_address(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{VOICE}/load")).json()["state"] == "ready"
    answer = await client.post(
        "/v1/audio/speech",
        json={"model": "tts-1", "voice": "joe", "input": "Hello.", "response_format": "wav"},
        headers={"Authorization": "Bearer " + "k" * 20},
    )
    assert answer.status_code == 200, answer.text
    assert answer.content[:4] == b"RIFF"
    assert len(answer.content) > 10_000


async def test_deleting_a_packaged_voice_is_refused(client: httpx.AsyncClient) -> None:
    answer = await client.delete(VOICE)
    assert (answer.status_code, answer.json()["code"]) == (409, "piper_voice_packaged")
    assert (await client.get("/admin/tts/piper/voices/nobody")).status_code == 404


async def test_a_download_from_the_catalogue_to_speech(client: httpx.AsyncClient, mirror: Mirror, joe: Path) -> None:
    add_voice(mirror, "ru_RU-irina-medium", joe.read_bytes(), joe.with_name(joe.name + ".json").read_bytes())
    await client.put("/admin/tts/piper/params", json={"catalogue_url": mirror.url})
    offers = await get(client, "/admin/tts/piper/catalogue?language=ru")
    assert [(offer["key"], offer["installed"], offer["recommended"]) for offer in offers["voices"]] == [
        ("ru_RU-irina-medium", False, True)
    ]
    assert offers["languages"] == {"ru": "Русский"}
    ordered = await client.post("/admin/tts/piper/downloads", json={"voice": "ru_RU-irina-medium"})
    assert ordered.status_code == 202, ordered.text
    for _ in range(150):
        download = (await get(client, "/admin/tts/piper/downloads"))["downloads"][0]
        if download["state"] == "done":
            break
        assert download["state"] in ("queued", "running"), download
        await asyncio.sleep(0.2)  # calmly: routes have a rate limit
    assert download["done_bytes"] == download["total_bytes"] > 60_000_000
    assert "piper/ru_RU-irina-medium" in [voice["id"] for voice in (await get(client, "/admin/tts/piper/voices"))["voices"]]
    assert (await client.delete("/admin/tts/piper/voices/ru_RU-irina-medium")).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/voices"), ("GET", "/voices/x"), ("DELETE", "/voices/x"), ("POST", "/voices/x/load"),
        ("GET", "/voices/x/params"), ("PUT", "/voices/x/params"), ("GET", "/params"), ("PUT", "/params"),
        ("GET", "/catalogue"), ("POST", "/catalogue/refresh"), ("GET", "/downloads"), ("POST", "/downloads"),
    ],
)  # fmt: skip
async def test_nobody_gets_in_without_the_permission(client: httpx.AsyncClient, method: str, path: str) -> None:
    url = f"/admin/tts/piper{path}"
    assert (await client.request(method, url, headers={"Authorization": ""})).status_code == 401
    assert (await client.request(method, url, headers={"Authorization": "Bearer " + "k" * 20})).status_code == 403  # /v1 only


def test_the_manifest_is_light() -> None:
    """Importing the plugin loads neither the engine nor the web."""
    code = "import sys, ai_secretary_tts_piper.plugin; print({'piper', 'onnxruntime', 'nicegui'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
