"""`/chat` and `/process_call`: a conversation per caller, and Russian texts in headers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote

import httpx
import pytest

from ai_secretary.access.keys import KeyChange
from ai_secretary.llm import ChatDelta, ChatModel, ChatRequest, ModelInfo, Usage
from ai_secretary.speech import Audio
from ai_secretary.voice.codecs import decode, wav_file

from .conftest import House

RECORDING = wav_file(Audio(b"\1\0" * 32_000, 16_000))


class Echo:
    """Answers with how many messages of the person it was shown, and the last of them."""

    info = ModelInfo("echo/one", "Echo", "Echo", 8192)

    def __init__(self) -> None:
        self.requests: list[ChatRequest] = []

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        said = [message.text for message in request.messages if message.role == "user"]
        for word in ("Слышу", f" {len(said)}:", f" {said[-1]}"):
            yield ChatDelta(word)
        yield ChatDelta(finish_reason="stop", usage=Usage(1, 3))

    def count_tokens(self, text: str) -> int:
        return len(text.split())


class EchoSource:
    id = "echo"

    def __init__(self, model: Echo) -> None:
        self._model = model

    def models(self) -> list[ModelInfo]:
        return [self._model.info]

    def find(self, model_id: str) -> ChatModel | None:
        return self._model if model_id == "echo/one" else None


@pytest.fixture
def model(server: House) -> Echo:
    model = Echo()
    server.application.registries.add_chat_source("test", EchoSource(model))
    return model


async def key(house: House, name: str, *scopes: str) -> dict[str, str]:
    made = await house.application.access.keys.create(KeyChange(name, scopes))
    return house.headers(made.raw)


async def test_each_caller_has_a_conversation_of_its_own(server: House, model: Echo) -> None:
    other = await key(server, "other", "v1:chat")
    async with httpx.AsyncClient(base_url=server.url) as http:

        async def ask(text: str, headers: dict[str, str], session_id: str | None = None) -> httpx.Response:
            return await http.post("/chat", json={"text": text, "session_id": session_id}, headers=headers)

        mine = (await ask("один", server.headers())).json()
        assert mine["response"] == "Слышу 1: один"
        assert (await ask("чужой", other)).json()["response"] == "Слышу 1: чужой"
        again = (await ask("два", server.headers())).json()
        assert (again["response"], again["session_id"]) == ("Слышу 2: два", mine["session_id"])
        assert (await ask("дай", other, mine["session_id"])).status_code == 404

        assert (await http.post("/reset_conversation", headers=server.headers())).json()["status"] == "ok"
        fresh = (await ask("три", server.headers())).json()
        assert (fresh["response"], fresh["session_id"] != mine["session_id"]) == ("Слышу 1: три", True)
        back = (await ask("четыре", server.headers(), mine["session_id"])).json()
        assert back["response"] == "Слышу 3: четыре"
        for bad in ({"text": ""}, {}):
            assert (await http.post("/chat", json=bad, headers=server.headers())).status_code == 400


async def test_a_recording_is_answered_aloud_with_both_texts_in_headers(server: House, model: Echo) -> None:
    async with httpx.AsyncClient(base_url=server.url, headers=server.headers()) as http:
        answer = await http.post("/process_call", files={"audio": ("звонок.wav", RECORDING)})
        assert answer.status_code == 200
        assert unquote(answer.headers["x-recognized-text"]) == "Привет, мир."
        assert unquote(answer.headers["x-response-text"]) == "Слышу 1: Привет, мир."
        assert answer.headers["x-call-id"].startswith("call_")
        assert decode(answer.content).duration > 0.5
        assert " ".join(server.russian.said).endswith("Привет, мир.")

        server.recognizer.text = " "
        silent = await http.post("/process_call", files={"audio": ("a.wav", RECORDING)})
        assert (silent.status_code, silent.json()["code"]) == (400, "nothing_heard")


async def test_scopes_count_one_by_one(server: House, model: Echo) -> None:
    listens = await key(server, "ears", "v1:audio")
    asks = await key(server, "mouth", "v1:chat")
    async with httpx.AsyncClient(base_url=server.url) as http:
        files = {"audio": ("a.wav", RECORDING)}
        assert (await http.post("/stt", files=files, headers=listens)).status_code == 200
        assert (await http.post("/chat", json={"text": "да"}, headers=listens)).status_code == 403
        assert (await http.post("/process_call", files=files, headers=listens)).status_code == 403
        assert (await http.post("/stt", files=files, headers=asks)).status_code == 403
    assert model.requests == []
