"""One secretary behind every entrance: a choice made once holds everywhere, and nobody sees what is another's."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from ai_secretary.testing.model_server import ModelServer, Script, SeenRequest, completion, stream_of

from .conftest import House
from .knocking import PARAMETER, Answer, knock

QUESTION, FAQ_QUESTION, FAQ_ANSWER = "What is the weather like?", "When do you open?", "At nine in the morning."


def saying(text: str) -> Any:
    """A model server's answer, streamed or whole as it was asked for."""

    def answer(request: SeenRequest) -> Script:
        if request.json.get("stream"):
            return Script(stream_of([text]), content_type="text/event-stream")
        return Script([completion(text)])

    return answer


class Entrances:
    """The same question at every door."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def v1(self, text: str, **more: Any) -> str:
        body = {"model": "secretary", "messages": [{"role": "user", "content": text}], **more}
        return str((await self._house.done("POST", "/v1/chat/completions", body))["choices"][0]["message"]["content"])

    async def root(self, text: str) -> str:
        return str((await self._house.done("POST", "/chat", {"text": text}))["response"])

    async def admin(self, text: str, override: dict[str, Any] | None = None) -> str:
        session = (await self._house.done("POST", "/admin/chat/sessions", {}))["id"]
        body = {"content": text, "llm_override": override}
        return str((await self._house.done("POST", f"/admin/chat/sessions/{session}/messages", body))["response"]["content"])

    async def all(self, text: str) -> set[str]:
        return {await self.v1(text), await self.root(text), await self.admin(text)}


async def test_a_chosen_model_answers_at_every_entrance_and_keeps_persona_and_faq(house: House) -> None:
    """Neither the choice of another model nor an override for one message loses the FAQ or the persona."""
    entrances = Entrances(house)
    await house.done("POST", "/admin/faq", {"question": FAQ_QUESTION, "answer": FAQ_ANSWER})
    persona = (await house.done("GET", "/admin/llm/persona"))["id"]
    await house.done("PUT", f"/admin/llm/personas/{persona}", {"prompt_ru": "PERSONA MARK", "prompt_en": "PERSONA MARK"})
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(ModelServer().serve()) for _ in range(2)]
        names = ["one", "two"]
        made = []
        for server, name in zip(servers, names, strict=True):
            server.answer = saying(f"from {name}")
            made.append(await house.provider(server, name=name))
        for server, provider, name in zip(servers, made, names, strict=True):
            await house.done("POST", "/admin/llm/backend", {"backend": provider["model_id"]})
            assert await entrances.all(QUESTION) == {f"from {name}"}
            assert await entrances.all(FAQ_QUESTION) == {FAQ_ANSWER}
            asked = [request for request in server.requests if request.path.endswith("/chat/completions")]
            assert len(asked) == 3, "the FAQ asks no model"
            assert all("PERSONA MARK" in str(request.json["messages"][0]) for request in asked)
            assert (await house.done("GET", "/admin/llm/model"))["model"] == provider["model_id"]
        other = made[0]["model_id"]
        assert await entrances.admin(QUESTION, {"model": other}) == "from one"
        assert await entrances.admin(FAQ_QUESTION, {"model": other}) == FAQ_ANSWER
        overridden = servers[0].requests[-1].json
        assert "PERSONA MARK" in str(overridden["messages"][0])
        assert await entrances.v1(QUESTION) == "from two", "an override is for one message"


async def test_a_failing_model_is_an_error_everywhere_and_never_a_saved_answer(house: House, server: ModelServer) -> None:
    await house.provider(server, is_default=True)
    server.answer = lambda _: Script([b'{"error": {"message": "sk-inner detail", "code": "overloaded"}}'], status=500)
    session = (await house.done("POST", "/admin/chat/sessions", {}))["id"]
    body = {"model": "secretary", "messages": [{"role": "user", "content": QUESTION}]}
    answers: list[Answer] = [
        await house.ask("POST", "/v1/chat/completions", body),
        await house.ask("POST", "/chat", {"text": QUESTION}),
        await house.ask("POST", f"/admin/chat/sessions/{session}/messages", {"content": QUESTION}),
    ]
    for answer in answers:
        assert answer.status >= 500
        assert "choices" not in answer.text
    await house.application.journal.flush()
    for message in (await house.done("GET", f"/admin/chat/sessions/{session}"))["messages"]:
        if message["role"] == "assistant":
            assert (message["content"], message["status"]) == ("", "error")


async def test_callers_do_not_see_each_others_dialogue(house: House, server: ModelServer) -> None:
    await house.provider(server, is_default=True)
    callers = [await house.key("v1:chat") for _ in range(3)]
    for number, caller in enumerate(callers):
        for turn in range(2):
            await house.done("POST", "/chat", {"text": f"secret-{number} turn-{turn}"}, headers=caller)
    asked = [request.json["messages"] for request in server.requests if request.path.endswith("/chat/completions")]
    assert len(asked) == 6
    for messages in asked:
        mentioned = {number for number in range(3) if f"secret-{number}" in str(messages)}
        assert len(mentioned) == 1, "one caller's words in another's context"
    assert "turn-0" in str(asked[1]), "and one's own are remembered"


@pytest.mark.parametrize("role", ["viewer", "operator", "key"])
async def test_no_route_reaches_a_conversation_of_somebody_else(house: House, server: ModelServer, role: str) -> None:
    """Ownership is asked for in every query: each route with a conversation's id refuses it to others and changes nothing."""
    await house.provider(server, is_default=True)
    owner = await house.person("operator", "owner")
    made = await house.done("POST", "/admin/chat/sessions", {"title": "Private"}, headers=owner)
    at = f"/admin/chat/sessions/{made['id']}"
    said = await house.done("POST", f"{at}/messages", {"content": "a private matter"}, headers=owner)
    before = await house.done("GET", at, headers=owner)
    other = await house.key("chat:read", "chat:write") if role == "key" else await house.person(role, "other")
    asked = 0
    for operation in await house.operations():
        if "session_id" not in PARAMETER.findall(operation.path) or not operation.path.startswith("/admin/chat/"):
            continue
        path = operation.filled(session_id=made["id"], message_id=said["message"]["id"])
        body = {"content": "changed", "title": "changed"}
        answer = await knock(house.web, operation.method, path, other, json_body=body)
        asked += 1
        assert answer.status in {403, 404}, f"{operation} as {role}: {answer.status} {answer.text}"
        assert "private" not in answer.text.casefold()
    assert asked >= 9
    if role != "viewer":
        bulk = await house.done("POST", "/admin/chat/sessions/bulk-delete", {"session_ids": [made["id"]]}, headers=other)
        assert bulk["deleted"] == 0
    for path in ("/admin/chat/sessions", "/admin/chat/sessions?group_by=source", "/admin/chat/sessions/search?q=private"):
        assert made["id"] not in (await house.ask("GET", path, headers=other)).text
    assert await house.done("GET", at, headers=owner) == before


async def test_texts_and_uploads_have_a_bound(house: House) -> None:
    """What is spoken, said and sent has a largest size, at every entrance."""
    long = "word " * 200_000
    for path, body in (
        ("/tts", {"text": long}),
        ("/chat", {"text": long}),
        ("/admin/tts/stream", {"text": long}),
        ("/admin/tts/test", {"text": long}),
        ("/admin/tts/normalise", {"text": long}),
        ("/v1/audio/speech", {"model": "tts-1", "voice": "alloy", "input": long}),
        ("/admin/faq/test", {"text": long}),
        ("/admin/faq", {"question": long, "answer": long}),
    ):
        answer = await house.ask("POST", path, body)
        assert answer.status in {400, 413, 422}, f"{path}: {answer.status}"
    too_large = b"x" * (house.application.settings.max_body_mb * 1024 * 1024 + 1)
    for operation in await house.operations():
        if operation.method in {"POST", "PUT"} and operation.bodies:
            answer = await knock(house.web, operation.method, operation.filled(), house.admin, body=too_large)
            assert answer.status == 413, f"{operation}: {answer.status}"
