from __future__ import annotations

import asyncio
import json
from urllib.parse import unquote

import httpx
import numpy as np
import pytest
import websockets

from ai_secretary.access.keys import KeyChange
from ai_secretary.speech import Audio
from ai_secretary.voice.codecs import decode, wav_file

from .conftest import House

RECORDING = wav_file(Audio(b"\1\0" * 32_000, 16_000))


@pytest.fixture
async def admin(server: House) -> dict[str, str]:
    """Headers of the logged-in administrator."""
    login = await server.application.access.login("admin", "admin-password-1", "127.0.0.1", "test")
    return {"Authorization": f"Bearer {login.access_token}"}


async def test_the_originals_stream_request_works_as_it_is(server: House, admin: dict[str, str]) -> None:
    body = {"text": "Привет!", "voice": "anna", "target_sample_rate": 8000}
    async with httpx.AsyncClient(base_url=server.url, headers=admin) as http:
        answer = await http.post("/admin/tts/stream", json=body)
        assert answer.status_code == 200
        assert (answer.headers["x-sample-rate"], answer.headers["x-channels"], answer.headers["x-format"]) == (
            "8000",
            "1",
            "pcm16",
        )
        assert float(answer.headers["x-first-chunk-ms"]) > 0
        assert len(answer.content) / 2 / 8000 == pytest.approx(0.06 * 7, abs=0.01)
        floats = await http.post(
            "/admin/tts/stream",
            json={**body, "output_format": "float32", "target_sample_rate": None, "preset": "natural", "language": "ru"},
        )
        assert floats.headers["x-sample-rate"] == "24000"
        samples = np.frombuffer(floats.content, dtype="<f4")
        assert 0.1 < np.abs(samples).max() < 1
        for bad, field in (
            ({"text": ""}, "text"),
            ({"text": "а" * 10_001}, "text"),
            ({"text": "Да", "target_sample_rate": 1}, "target_sample_rate"),
            ({"text": "..."}, "text"),
        ):
            refused = await http.post("/admin/tts/stream", json=bad)
            assert (refused.status_code, refused.headers["content-type"]) == (400, "application/problem+json")
            assert refused.json()["param"] == field


async def test_the_first_sound_leaves_before_the_last_is_made(server: House, admin: dict[str, str]) -> None:
    server.russian.hold = asyncio.Event()
    async with (
        httpx.AsyncClient(base_url=server.url, headers=admin) as http,
        http.stream(
            "POST", "/admin/tts/stream", json={"text": "Первое предложение. Второе.", "target_sample_rate": 16_000}
        ) as answer,
    ):
        parts = answer.aiter_raw()
        assert await asyncio.wait_for(anext(parts), 5)
        assert "Второе." not in server.russian.said
        server.russian.hold.set()
        assert b"".join([part async for part in parts])


async def test_permissions(server: House, admin: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=server.url) as http:
        for method, path in (
            ("POST", "/admin/tts/stream"), ("GET", "/admin/tts/presets"), ("GET", "/admin/voices"), ("GET", "/admin/stt/status"),
            ("POST", "/tts"), ("POST", "/chat"), ("DELETE", "/admin/tts/cache"),
        ):  # fmt: skip
            assert (await http.request(method, path, json={"text": "Да"})).status_code == 401
        # an API key is for /v1 and the root, not for the administration
        assert (await http.get("/admin/voices", headers=server.headers())).status_code == 403
    uri = server.url.replace("http", "ws") + "/admin/tts/ws/stream"
    with pytest.raises(websockets.exceptions.InvalidStatus):
        await websockets.connect(uri)
    # streaming speech is also open to keys, but only to those that may use audio
    asks = await server.application.access.keys.create(KeyChange("asks", ("v1:chat",)))
    with pytest.raises(websockets.exceptions.InvalidStatus):
        await websockets.connect(uri, additional_headers=server.headers(asks.raw))
    async with httpx.AsyncClient(base_url=server.url) as http:
        body = {"text": "Привет!"}
        assert (await http.post("/admin/tts/stream", json=body, headers=server.headers(asks.raw))).status_code == 403
        assert (await http.post("/admin/tts/stream", json=body, headers=server.headers())).status_code == 200


async def test_websocket_speaks_refuses_and_stops(server: House, admin: dict[str, str]) -> None:
    uri = server.url.replace("http", "ws") + "/admin/tts/ws/stream"
    async with websockets.connect(uri, additional_headers=admin) as socket:
        await socket.send(json.dumps({"text": "Привет!", "target_sample_rate": 8000}))
        assert json.loads(await socket.recv())["status"] == "starting"
        sound = b""
        while isinstance(message := await asyncio.wait_for(socket.recv(), 5), bytes):
            sound += message
        done = json.loads(message)
        assert done["done"] is True
        assert done["first_chunk_ms"] <= done["total_ms"]
        assert len(sound) / 2 / 8000 == pytest.approx(0.42, abs=0.01)

        await socket.send(json.dumps({"text": "а" * 10_001}))
        assert json.loads(await socket.recv())["code"] == "invalid_input"
        await socket.send("{")
        assert "error" in json.loads(await socket.recv())
        await socket.send(json.dumps({"text": "Да", "voice": "nobody"}))
        assert json.loads(await socket.recv())["code"] == "voice_not_found"

        server.russian.hold = asyncio.Event()
        await socket.send(json.dumps({"text": "Очень долгая речь без конца. " * 5}))
        await socket.recv()
        await socket.recv()
        await socket.send(json.dumps({"action": "stop"}))
        await asyncio.sleep(0.1)
        server.russian.hold.set()
        while isinstance(message := await asyncio.wait_for(socket.recv(), 5), bytes):
            pass
        assert json.loads(message)["stopped"] is True


async def test_a_socket_that_closes_stops_the_engine(server: House, admin: dict[str, str]) -> None:
    server.russian.hold = asyncio.Event()
    socket = await websockets.connect(server.url.replace("http", "ws") + "/admin/tts/ws/stream", additional_headers=admin)
    await socket.send(json.dumps({"text": "Очень долгая речь без конца. " * 5}))
    await socket.recv()
    await socket.recv()
    await socket.close()
    server.russian.hold.set()
    for _ in range(200):
        if not server.russian.active and not server.application.voice.active:
            break
        await asyncio.sleep(0.02)
    assert (server.russian.active, server.application.voice.active) == (0, 0)


async def test_presets_cache_and_reading(server: House, admin: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=admin) as http:
        presets = (await http.get("/admin/tts/presets")).json()
        assert [item["name"] for item in presets["presets"]] == ["neutral", "warm", "energetic", "calm", "natural"]
        assert presets["presets"][4]["settings"]["temperature"] == 0.75
        assert (await http.post("/admin/tts/preset", json={"preset": "calm"})).json()["settings"]["speed"] == 0.9
        assert (await http.get("/admin/tts/presets")).json()["current"] == "calm"
        made = await http.post("/admin/tts/presets/custom", json={"name": "Утро", "params": {"speed": 1.2}})
        assert made.status_code == 201
        assert (await http.post("/admin/tts/presets/custom", json={"name": "Утро", "params": {}})).status_code == 409
        bad = await http.put("/admin/tts/presets/custom/Утро", json={"params": {"top_k": 1000}})
        assert (bad.status_code, bad.json()["param"]) == (400, "params.top_k")
        assert (await http.put("/admin/tts/presets/custom/Утро", json={"params": {"top_k": 10}})).json()["preset"]["settings"][
            "top_k"
        ] == 10
        assert (await http.delete("/admin/tts/presets/custom/Утро")).json() == {"status": "ok", "deleted": "Утро"}
        assert (await http.delete("/admin/tts/presets/custom/natural")).status_code == 409
        assert (await http.delete("/admin/tts/presets/custom/нет")).status_code == 404

        spoken = await http.post("/admin/tts/test", json={"text": "Проверка голоса.", "preset": "warm"})
        assert decode(spoken.content).duration == pytest.approx(float(spoken.headers["x-duration-sec"]), abs=0.01)
        assert float(spoken.headers["x-rtf"]) >= 0
        assert (await http.get("/admin/tts/cache")).json()["cache_size"] == 1
        assert (await http.delete("/admin/tts/cache")).json() == {"status": "ok", "cleared_items": 1}
        read = (await http.post("/admin/tts/normalise", json={"text": "Цена 5 ₽. Звоните!"})).json()
        assert (read["language"], read["spoken"], read["clauses"]) == (
            "ru",
            "Цена пять рублей. Звоните!",
            ["Цена пять рублей.", "Звоните!"],
        )


async def test_voices(server: House, admin: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=admin) as http:
        listed = (await http.get("/admin/voices")).json()
        assert [voice["id"] for voice in listed["voices"]] == ["tone/anna", "tone/john"]
        assert listed["current"]["voice"] == "tone/anna"
        assert listed["current"]["by_language"] == {"ru": "tone/anna", "en": "tone/john"}
        assert (await http.post("/admin/voice", json={"voice": "john"})).json()["by_language"]["en"] == "tone/john"
        wrong = await http.put("/admin/voices/current", json={"voice": "john", "language": "ru"})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "voice_language")
        assert (await http.get("/admin/voices/tone/anna")).json()["default_for"] == ["ru"]
        assert (await http.get("/admin/voices/tone/nobody")).status_code == 404
        assert decode((await http.post("/admin/voices/tone/john/test")).content).duration > 1
        assert decode((await http.post("/admin/voice/test", json={"voice": "anna"})).content).duration > 1
        assert server.russian.said[-1] == "Чем могу помочь?"


async def test_recognition(server: House, admin: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=admin) as http:
        status = (await http.get("/admin/stt/status")).json()
        assert (status["engines"], status["preferred"]) == ({"ear": True}, {"ru": "ear/base", "en": "ear/base"})
        heard = (
            await http.post(
                "/admin/stt/transcribe", params={"language": "ru", "engine": "ear"}, files={"file": ("../x", RECORDING)}
            )
        ).json()
        assert (heard["text"], heard["engine"], len(heard["words"])) == ("Привет, мир.", "ear/base", 2)
        server.recognizer.text = "Привет мир пять рублей"
        trip = (await http.post("/admin/stt/test", params={"text_to_speak": "Привет, мир, 5 рублей!"})).json()
        assert (trip["match"], trip["similarity"], trip["words_count"]) == (True, 1.0, 4)
        server.recognizer.text = "совсем другое"
        assert (await http.post("/admin/stt/test", params={"text_to_speak": "Привет, мир!"})).json()["match"] is False


async def test_speak_and_listen_at_the_root(server: House) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=server.headers()) as http:
        assert decode((await http.post("/tts", json={"text": "Привет!", "language": "ru"})).content).duration == pytest.approx(
            0.42, abs=0.01
        )
        assert (await http.post("/stt", files={"audio": ("a.wav", RECORDING)})).json() == {
            "text": "Привет, мир.",
            "language": "ru",
            "segments_count": 1,
        }


def test_texts_of_any_script_fit_into_a_header() -> None:
    from ai_secretary.api.legacy import header_text

    for text in ("Привет, мир", "line\r\nInjected: yes", "100%", "“—”😀", "я" * 5000):
        value = header_text(text)
        value.encode("latin-1")
        assert "\r" not in value
        assert "\n" not in value
        assert unquote(value).startswith(text[:900])
        assert len(value) <= 6100
