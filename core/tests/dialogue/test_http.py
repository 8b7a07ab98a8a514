"""`/admin/chat` and `/admin/llm` over HTTP, on the whole application without plugins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ai_secretary.access.keys import KeyChange
from ai_secretary.api import chat, llm
from ai_secretary.api.event_stream import KeptAlive
from ai_secretary.api.openapi import install_openapi
from ai_secretary.api.problems import install_problems
from ai_secretary.app.application import Application
from ai_secretary.config import Settings
from ai_secretary.errors import ProviderError
from ai_secretary.storage import Vault

from .scripted import ScriptedModel, ScriptedSource

PASSWORD = "correct horse battery"


class Api:
    """A client per role, and the models that answer."""

    def __init__(self, application: Application, app: FastAPI) -> None:
        self.application = application
        self.app = app
        self.models: dict[str, ScriptedModel] = {}

    def add_models(self, *models: ScriptedModel) -> None:
        source = ScriptedSource(*models, id=models[0].info.id.partition("/")[0])
        self.application.registries.add_chat_source("test", source)

    async def client(self, role: str | None) -> httpx.AsyncClient:
        headers = {}
        if role is not None:
            await self.application.access.users.create(f"{role}-1", PASSWORD, role)  # type: ignore[arg-type]
            login = await self.application.access.login(f"{role}-1", PASSWORD, "127.0.0.1", "test")
            headers["authorization"] = f"Bearer {login.access_token}"
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://test", headers=headers)


@pytest.fixture
async def api(settings: Settings, vault: Vault) -> AsyncIterator[Api]:
    application = Application(settings)
    await application.open(plugins=False)
    app = FastAPI()
    app.state.secretary = application
    install_problems(app)
    install_openapi(app)
    app.include_router(chat.build_router(application))
    app.include_router(llm.build_router(application))
    yield Api(application, app)
    await application.close()


def _events(text: str) -> list[dict[str, Any]]:
    lines = [line[6:] for line in text.split("\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


async def test_a_conversation_from_beginning_to_end(api: Api) -> None:
    api.add_models(ScriptedModel("a/one", ["Здрав", "ствуйте ☎"]))
    async with await api.client("operator") as client:
        made = (await client.post("/admin/chat/sessions", json={"title": None})).json()
        url = f"/admin/chat/sessions/{made['id']}"
        sent = (await client.post(f"{url}/messages", json={"content": "Алло"})).json()
        assert sent["response"]["content"] == "Здравствуйте ☎"
        assert sent["response"]["source"]["kind"] == "model"

        streamed = await client.post(f"{url}/stream", json={"content": "Ещё"})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        events = _events(streamed.text)
        assert [item["type"] for item in events] == ["user_message", "chunk", "chunk", "assistant_message"]
        assert events[0]["message"]["content"] == "Ещё"
        assert events[1]["content"] + events[2]["content"] == events[3]["message"]["content"]

        edited = (await client.put(f"{url}/messages/{sent['message']['id']}", json={"content": "Алло, кто это?"})).json()
        shown = (await client.get(url)).json()
        assert shown["session"]["title"] == "Алло"
        assert [message["content"] for message in shown["messages"]] == ["Алло, кто это?", "Здравствуйте ☎"]
        assert shown["messages"][0]["siblings"] == {
            "index": 1,
            "total": 2,
            "ids": [sent["message"]["id"], edited["message"]["id"]],
        }
        assert shown["messages"][0]["edited"] is True

        again = await client.post(f"{url}/messages/{edited['response']['id']}/regenerate", json={"stream": True})
        assert _events(again.text)[0]["message"]["id"] == edited["message"]["id"]
        back = (await client.post(f"{url}/messages/{sent['message']['id']}/activate")).json()
        assert [message["content"] for message in back["messages"]][::2] == ["Алло", "Ещё"]

        exported = await client.get(f"{url}/export", params={"format": "markdown"})
        assert "Здравствуйте ☎" in exported.text
        assert exported.headers["content-disposition"].startswith("attachment")
        assert (await client.delete(f"{url}/messages/{sent['message']['id']}")).json() == {"deleted": 4}
        assert (await client.delete(url)).json() == {"status": "ok"}
        missing = await client.get(url)
        assert missing.status_code == 404
        assert missing.json()["code"] == "conversation_not_found"


async def test_an_error_is_an_event_and_a_status_but_never_text(api: Api) -> None:
    api.add_models(ScriptedModel("a/one", [ProviderError("The key was refused", code="key_refused", hint="Replace it.")]))
    async with await api.client("operator") as client:
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        streamed = _events((await client.post(f"/admin/chat/sessions/{session}/stream", json={"content": "Алло"})).text)
        assert [item["type"] for item in streamed] == ["user_message", "error"]
        assert (streamed[1]["code"], streamed[1]["hint"]) == ("key_refused", "Replace it.")
        assert streamed[1]["message"]["status"] == "error"
        whole = await client.post(f"/admin/chat/sessions/{session}/messages", json={"content": "Алло"})
        assert whole.status_code == 502
        assert whole.json()["code"] == "key_refused"
        messages = (await client.get(f"/admin/chat/sessions/{session}")).json()["messages"]
        assert [message["content"] for message in messages] == ["Алло", "", "Алло", ""]
        for path in ("stream", "messages"):
            empty = await client.post(f"/admin/chat/sessions/{session}/{path}", json={"content": " "})
            assert (empty.status_code, empty.json()["code"]) == (400, "empty_message")
        # The conversation is free again after every one of these.
        assert api.application.dialogue._locks._locks == {}


async def test_a_client_that_leaves_stops_the_model(api: Api) -> None:
    model = ScriptedModel("a/one", ["начало", 60.0, "конец"])
    api.add_models(model)
    async with await api.client("operator") as client:
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        token = client.headers["authorization"]
    gone = asyncio.Event()
    body = json.dumps({"content": "Вопрос"}).encode()

    async def receive() -> dict[str, Any]:
        if not receive.sent:  # type: ignore[attr-defined]
            receive.sent = True  # type: ignore[attr-defined]
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    receive.sent = False  # type: ignore[attr-defined]

    async def send(message: dict[str, Any]) -> None:
        if "начало" in message.get("body", b"").decode():
            gone.set()

    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": f"/admin/chat/sessions/{session}/stream", "raw_path": b"", "query_string": b"",
        "root_path": "", "server": ("test", 80), "client": ("127.0.0.1", 1),
        "headers": [(b"content-type", b"application/json"), (b"authorization", token.encode())],
    }  # fmt: skip
    await asyncio.wait_for(api.app(scope, receive, send), 10)  # type: ignore[arg-type]
    assert model.closed == 1
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app), base_url="http://test", headers={"authorization": token}
    ) as client:
        messages = (await client.get(f"/admin/chat/sessions/{session}")).json()["messages"]
    assert [(message["content"], message["status"]) for message in messages] == [("Вопрос", "ok"), ("начало", "cancelled")]
    assert api.application.dialogue._locks._locks == {}


async def test_silence_is_filled_with_comments() -> None:
    closed: list[bool] = []

    async def slow() -> AsyncIterator[bytes]:
        try:
            await asyncio.sleep(0.05)
            yield b"data: 1\n\n"
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    stream = KeptAlive(slow(), every_s=0.02)
    received = [await anext(stream) for _ in range(5)]
    await stream.aclose()
    assert received.count(b"data: 1\n\n") == 1
    assert received.count(b": keep-alive\n\n") == 4
    assert closed == [True]


async def test_lists_groups_search_and_bulk_delete(api: Api) -> None:
    api.add_models(ScriptedModel("a/one", ["Записала"]))
    async with await api.client("operator") as client:
        for text in ("Ёлка на завтра", "Другое"):
            session = (await client.post("/admin/chat/sessions", json={"source": "admin"})).json()["id"]
            await client.post(f"/admin/chat/sessions/{session}/messages", json={"content": text})
        await client.post("/admin/chat/sessions", json={"source": "widget", "title": "С сайта"})
        page = (await client.get("/admin/chat/sessions", params={"limit": 2})).json()
        assert (page["total"], len(page["sessions"])) == (3, 2)
        rest = (await client.get("/admin/chat/sessions", params={"limit": 2, "cursor": page["next_cursor"]})).json()
        assert [item["title"] for item in rest["sessions"]] == ["Ёлка на завтра"]
        groups = (await client.get("/admin/chat/sessions", params={"group_by": "source"})).json()
        assert {group["source"]: group["count"] for group in groups["groups"]} == {"admin": 2, "widget": 1}
        assert (await client.get("/admin/chat/sessions", params={"search": "елка"})).json()["total"] == 1
        hits = (await client.get("/admin/chat/sessions/search", params={"q": "записа"})).json()["hits"]
        assert len(hits) == 2
        ids = [item["id"] for item in (await client.get("/admin/chat/sessions")).json()["sessions"]]
        assert (await client.post("/admin/chat/sessions/bulk-delete", json={"session_ids": ids})).json()["deleted"] == 3
        assert (await client.get("/admin/chat/sessions", params={"limit": 0})).status_code == 400


async def test_settings_of_a_conversation_are_checked_kept_and_cleared(api: Api) -> None:
    model, other = ScriptedModel("a/one", ["один"]), ScriptedModel("a/two", ["два"])
    api.add_models(model, other)
    async with await api.client("operator") as client:
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        url = f"/admin/chat/sessions/{session}"
        changed = await client.put(
            url, json={"model": "a/two", "persona": "marina", "sampling": {"temperature": 0.2}, "title": "Имя"}
        )
        assert changed.json()["sampling"] == {"temperature": 0.2}
        answer = (await client.post(f"{url}/messages", json={"content": "кто?"})).json()["response"]
        assert (answer["content"], answer["details"]["persona"]) == ("два", "marina")
        assert other.requests[0].sampling.temperature == 0.2
        override = {"llm_backend": "a/one", "llm_params": {"temperature": 1.5}}
        answer = (await client.post(f"{url}/messages", json={"content": "кто?", "llm_override": override})).json()["response"]
        assert answer["content"] == "один"
        assert model.requests[0].sampling.temperature == 1.5
        cleared = (await client.put(url, json={"model": None, "title": None})).json()
        assert (cleared["model"], cleared["title"], cleared["persona"]) == (None, "", "marina")
        for wrong, code in (
            ({"model": "a/none"}, "model_not_found"),
            ({"persona": "nobody"}, "persona_not_found"),
            ({"sampling": {"temperature": 9}}, "parameter_out_of_range"),
        ):
            assert (await client.put(url, json=wrong)).json()["code"] == code


async def test_who_may_do_what(api: Api) -> None:
    api.add_models(ScriptedModel("a/one"))
    admin, operator = await api.client("admin"), await api.client("operator")
    viewer, nobody = await api.client("viewer"), await api.client(None)
    session = (await operator.post("/admin/chat/sessions")).json()["id"]
    url = f"/admin/chat/sessions/{session}"
    assert (await nobody.get("/admin/chat/sessions")).status_code == 401
    assert (await viewer.get("/admin/llm/models")).status_code == 200
    assert (await viewer.post("/admin/chat/sessions")).status_code == 403
    assert (await viewer.post("/admin/llm/backend", json={"backend": None})).status_code == 403
    # One operator's conversation is nobody else's business, except an administrator's.
    assert (await viewer.get(url)).status_code == 404
    assert (await admin.get(url)).status_code == 200
    key = await api.application.access.keys.create(KeyChange("Сайт", ("chat:read",)))
    reader = httpx.AsyncClient(
        transport=httpx.ASGITransport(api.app), base_url="http://test", headers={"authorization": f"Bearer {key.raw}"}
    )
    assert (await reader.get("/admin/chat/sessions")).json()["total"] == 0
    assert (await reader.get(url)).status_code == 404
    for client in (admin, operator, viewer, nobody, reader):
        await client.aclose()
    document = api.app.openapi()
    assert document["paths"]["/admin/chat/sessions/{session_id}"]["delete"]["x-permission"] == "chat:write"


async def test_models_and_their_order(api: Api) -> None:
    async with await api.client("operator") as client:
        nothing = (await client.get("/admin/llm/backend")).json()
        assert (nothing["model"], nothing["error"]) == (None, "No language model is connected")
        api.add_models(ScriptedModel("a/one"), ScriptedModel("a/two"))
        api.add_models(ScriptedModel("vllm/qwen", ["от vllm"]))
        assert (await client.get("/admin/llm/backend")).json()["chosen"] is None
        chosen = (await client.post("/admin/llm/backend", json={"backend": "vllm"})).json()
        assert (chosen["model"], chosen["chosen"], chosen["backend"]) == ("vllm/qwen", "vllm/qwen", "vllm")
        assert (await client.post("/admin/llm/model", json={"model": "a/two"})).json() == {"model": "a/two"}
        assert (await client.get("/admin/llm/model")).json() == {"model": "a/two"}
        listed = (await client.get("/admin/llm/models")).json()
        assert [item["id"] for item in listed["models"]] == ["a/one", "a/two", "vllm/qwen"]
        assert listed["current_model"] == "a/two"
        order = (await client.put("/admin/llm/fallbacks", json={"fallbacks": ["vllm", "a/one", "a/one"]})).json()
        assert order == {"fallbacks": ["vllm/qwen", "a/one"]}
        assert [item["id"] for item in (await client.get("/admin/llm/backend")).json()["candidates"]] == [
            "a/two",
            "vllm/qwen",
            "a/one",
        ]
        assert (await client.post("/admin/llm/model", json={"model": "no/such"})).status_code == 404
        assert (await client.get("/admin/llm/model")).json() == {"model": "a/two"}
        assert (await client.post("/admin/llm/check")).status_code == 200


async def test_personas_prompts_and_presets_are_one_thing(api: Api) -> None:
    model = ScriptedModel("a/one", ["да"], window=100_000)
    api.add_models(model)
    async with await api.client("operator") as client:
        assert (await client.get("/admin/llm/presets/current")).json()["id"] == "anna"
        assert (await client.get("/admin/llm/persona")).json()["id"] == "anna"
        made = await client.post(
            "/admin/llm/presets",
            json={"id": "brief", "name": "Краткая", "system_prompt": "Отвечай одним словом.", "max_tokens": 9},
        )
        assert (made.status_code, made.json()["top_p"]) == (201, 0.9)
        persona = (await client.get("/admin/llm/personas/brief")).json()
        assert (persona["name_ru"], persona["prompt_en"], persona["is_default"]) == ("Краткая", "Отвечай одним словом.", False)
        await client.put(
            "/admin/llm/presets/brief", params={"language": "ru"}, json={"system_prompt": "Молчи.", "temperature": None}
        )
        assert (await client.get("/admin/llm/prompt/brief", params={"language": "en"})).json()[
            "prompt"
        ] == "Отвечай одним словом."
        assert (await client.post("/admin/llm/presets/brief/activate")).json()["is_default"] is True
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        await client.post(f"/admin/chat/sessions/{session}/messages", json={"content": "Привет"})
        assert model.requests[0].messages[0].text.startswith("Молчи.")
        assert (model.requests[0].sampling.max_tokens, model.requests[0].sampling.temperature) == (9, None)

        assert (await client.delete("/admin/llm/personas/brief")).json()["code"] == "persona_in_use"
        assert (await client.post("/admin/llm/persona", json={"persona": "gulya"})).json()["id"] == "anna"
        assert (await client.delete("/admin/llm/personas/brief")).status_code == 200
        assert (await client.delete("/admin/llm/presets/anna")).status_code == 409

        first = (await client.get("/admin/llm/prompt")).json()["prompt_ru"]
        assert (await client.post("/admin/llm/prompt", json={"prompt": "Новый"})).json()["prompt_ru"] == "Новый"
        assert (await client.post("/admin/llm/prompt/anna", params={"language": "en"}, json={"prompt": "New"})).status_code == 200
        both = (await client.get("/admin/llm/personas")).json()["personas"][0]
        assert (both["prompt_ru"], both["prompt_en"], both["edited"]) == ("Новый", "New", True)
        assert (await client.post("/admin/llm/prompt/anna/reset")).json()["prompt_ru"] == first
        assert (await client.put("/admin/llm/personas/anna", json={"temperature": 5})).json()["code"] == "parameter_out_of_range"
        assert (await client.put("/admin/llm/personas/anna", json={"greeting_ru": "Алло"})).json()["greeting_ru"] == "Алло"
        assert (await client.post("/admin/llm/personas/anna/reset")).json()["edited"] is False
        assert (await client.get("/admin/llm/personas/никто")).status_code == 404


async def test_parameters_are_checked_and_take_effect_at_once(api: Api) -> None:
    model = ScriptedModel("a/one", ["да"])
    api.add_models(model)
    async with await api.client("operator") as client:
        before = (await client.get("/admin/llm/params")).json()
        assert before["params"]["temperature"] == 0.7
        assert before["ranges"]["max_tokens"] == {"least": 1, "most": 4096, "step": 1}
        for wrong in ({"temperature": 2.5}, {"top_p": 0}, {"max_tokens": 0}, {"repetition_penalty": 3}):
            refused = await client.post("/admin/llm/params", json=wrong)
            assert (refused.status_code, refused.json()["param"]) == (400, next(iter(wrong)))
        after = (await client.post("/admin/llm/params", json={"temperature": 0.1, "max_tokens": 77})).json()
        assert (after["params"]["temperature"], after["overridden"]) == (0.1, ["temperature", "max_tokens"])
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        await client.post(f"/admin/chat/sessions/{session}/messages", json={"content": "Привет"})
        assert (model.requests[0].sampling.temperature, model.requests[0].sampling.max_tokens) == (0.1, 77)
        back = (await client.post("/admin/llm/params", json={"temperature": None})).json()
        assert (back["params"]["temperature"], back["overridden"]) == (0.7, ["max_tokens"])


async def test_history_of_the_caller(api: Api) -> None:
    api.add_models(ScriptedModel("a/one", ["да"]))
    async with await api.client("operator") as client:
        assert (await client.get("/admin/llm/history")).json() == {"history": [], "count": 0}
        assert (await client.delete("/admin/llm/history")).status_code == 404
        session = (await client.post("/admin/chat/sessions")).json()["id"]
        await client.post(f"/admin/chat/sessions/{session}/messages", json={"content": "Привет"})
        assert (await client.get("/admin/llm/history")).json()["count"] == 2
        assert (await client.delete("/admin/llm/history")).json() == {"cleared_messages": 2}
        assert (await client.get("/admin/llm/history")).json()["count"] == 0
