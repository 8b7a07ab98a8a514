"""Gemini by Google's SDK, against a server that speaks the Gemini API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ai_secretary.errors import ProviderError
from ai_secretary.llm import ChatDelta, ChatMessage, ChatModel, ChatRequest, ModelInfo, Sampling, ToolCallRequest
from ai_secretary.plugins.provider_types import ProviderConnection
from ai_secretary.testing.model_server import ModelServer, Script
from ai_secretary_llm_cloud.types.gemini import GeminiClient, GeminiType

KEY = "AIzaSyTest0123456789abcdefghijklmnop"
SSE = "text/event-stream"
USAGE = {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 18}


def chunk(*parts: dict[str, Any], finish: str | None = None, usage: bool = False) -> bytes:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    body: dict[str, Any] = {"candidates": [candidate], "modelVersion": "gemini-x"}
    if usage:
        body["usageMetadata"] = USAGE
    return b"data: " + json.dumps(body, ensure_ascii=False).encode() + b"\r\n\r\n"


def reply(*pieces: str) -> list[bytes]:
    return [*(chunk({"text": piece}) for piece in pieces), chunk(finish="STOP", usage=True)]


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[GeminiClient]:
    made = GeminiType().connect(
        ProviderConnection("gemini", "Gemini", f"http://127.0.0.1:{server.port}", KEY, "gemini-x", timeout_s=2)
    )
    yield made
    await made.close()


@pytest.fixture
def model(client: GeminiClient) -> ChatModel:
    return client.model(
        ModelInfo("gemini/gemini-x", "X", "Gemini", 1_000_000, price_prompt=1.0, price_completion=2.0), "gemini-x"
    )


async def collect(model: ChatModel, *messages: ChatMessage, **more: Any) -> list[ChatDelta]:
    request = ChatRequest("gemini-x", messages or (ChatMessage("user", "Hi"),), **more)
    return [delta async for delta in model.stream(request)]


async def test_text_usage_and_cost(server: ModelServer, model: ChatModel) -> None:
    raw = b"".join([chunk({"text": "thinking aloud", "thought": True}), *reply("При", "вет 👋")])
    server.say(Script([raw[i : i + 5] for i in range(0, len(raw), 5)], content_type=SSE))
    deltas = await collect(model)
    assert "".join(delta.text for delta in deltas) == "Привет 👋"
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)
    assert usage.cost_usd == pytest.approx((11 + 14) / 1e6)
    sent = server.requests[0]
    assert "/models/gemini-x:streamGenerateContent" in sent.path
    assert sent.headers["x-goog-api-key"] == KEY
    assert KEY not in sent.path


async def test_everything_of_a_conversation_arrives(server: ModelServer, model: ChatModel) -> None:
    server.say(Script(reply("ok"), content_type=SSE))
    await collect(
        model,
        ChatMessage("system", "Be brief"),
        ChatMessage(
            "user", [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
        ),
        ChatMessage("assistant", None, tool_calls=(ToolCallRequest("t1", "clock", '{"zone":"UTC"}'),)),
        ChatMessage("tool", "12:00", tool_call_id="t1"),
        ChatMessage("user", "So?"),
        sampling=Sampling(temperature=0.3, top_p=0.8, max_tokens=20, stop=("END",), seed=4),
        tools=(
            {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "additionalProperties": False}}},
        ),
        tool_choice={"type": "function", "function": {"name": "clock"}},
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    )
    sent = server.requests[0].json
    assert sent["systemInstruction"]["parts"][0]["text"] == "Be brief"
    assert [content["role"] for content in sent["contents"]] == ["user", "model", "user"]
    assert sent["contents"][0]["parts"][1]["inlineData"] == {"data": "AAAA", "mime_type": "image/png"}
    assert sent["contents"][1]["parts"][0]["functionCall"] == {"name": "clock", "args": {"zone": "UTC"}}
    answer = sent["contents"][2]["parts"]
    assert answer[0]["functionResponse"] == {"name": "clock", "response": {"result": "12:00"}}
    assert answer[1]["text"] == "So?"
    config = sent["generationConfig"]
    assert (config["temperature"], config["topP"], config["maxOutputTokens"], config["seed"]) == (0.3, 0.8, 20, 4)
    assert config["stopSequences"] == ["END"]
    assert config["responseMimeType"] == "application/json"
    assert sent["toolConfig"]["functionCallingConfig"] == {"mode": "ANY", "allowedFunctionNames": ["clock"]}


async def test_tool_calls_keep_the_thought_signature(server: ModelServer, model: ChatModel) -> None:
    call = {"functionCall": {"name": "clock", "args": {"zone": "Москва"}}, "thoughtSignature": "c2lnbmF0dXJl"}
    server.say(Script([chunk(call), chunk(finish="STOP", usage=True)], content_type=SSE))
    deltas = await collect(model)
    part = deltas[0].tool_calls[0]
    assert (part.name, json.loads(part.arguments)) == ("clock", {"zone": "Москва"})
    assert deltas[-1].finish_reason == "tool_calls"
    server.say(Script(reply("ok"), content_type=SSE))
    asked = ToolCallRequest(part.id or "", "clock", part.arguments)
    await collect(
        model,
        ChatMessage("user", "?"),
        ChatMessage("assistant", None, tool_calls=(asked,)),
        ChatMessage("tool", "{}", tool_call_id=asked.id),
    )
    assert server.requests[1].json["contents"][1]["parts"][0]["thoughtSignature"] == "c2lnbmF0dXJl"


async def test_a_blocked_answer_is_no_error(server: ModelServer, model: ChatModel) -> None:
    server.say(Script([chunk({"text": "I "}), chunk(finish="SAFETY", usage=True)], content_type=SSE))
    assert (await collect(model))[-1].finish_reason == "content_filter"
    server.say(Script([b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n'], content_type=SSE))
    assert (await collect(model))[-1].finish_reason == "content_filter"


def refused(status: int, message: str, name: str = "X") -> Script:
    return Script([json.dumps({"error": {"code": status, "message": message, "status": name}}).encode()], status=status)


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (refused(400, f"API key not valid. Please pass a valid API key. {KEY}", "INVALID_ARGUMENT"), "key_refused"),
        (refused(403, "Permission denied", "PERMISSION_DENIED"), "key_refused"),
        (refused(429, "You exceeded your current quota, please check your plan and billing details"), "out_of_funds"),
        (refused(429, "Too many requests"), "rate_limited"),
        (refused(404, "models/gemini-x is not found: model not found"), "model_not_found"),
        (refused(400, "The input token count (2000000) exceeds the maximum number of tokens"), "context_length_exceeded"),
        (refused(500, "Internal"), "unreachable"),
        (refused(503, "The model is overloaded"), "unreachable"),
        (Script([b"<html>"], status=502, content_type="text/html"), "unreachable"),
        (Script([b"data: {oops\n\n"], content_type=SSE), "bad_reply"),
        (Script([chunk({"text": "half"})], content_type=SSE), "bad_reply"),
        (Script([chunk({"text": "half"})], content_type=SSE, end="cut"), "bad_reply"),
        (Script(think=10), "provider_timeout"),
    ],
)
async def test_failures(server: ModelServer, model: ChatModel, script: Script, code: str) -> None:
    server.say(script)
    with pytest.raises(ProviderError) as caught:
        await collect(model)
    assert caught.value.code == code
    assert KEY not in caught.value.message + repr(caught.value.params)
    assert len(server.requests) == 1, "the router retries, not the SDK"


async def test_leaving_closes_the_connection(server: ModelServer, model: ChatModel) -> None:
    server.say(Script(reply(*["word "] * 400), content_type=SSE, pause=0.02))
    stream: Any = model.stream(ChatRequest("gemini-x", (ChatMessage("user", "Hi"),)))
    async for delta in stream:
        if delta.text:
            break
    await stream.aclose()
    await asyncio.wait_for(server.requests[0].left.wait(), 1)

    task = asyncio.create_task(collect(model))
    while len(server.requests) < 2:
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.requests[1].left.wait(), 1)


async def test_models_are_listed(server: ModelServer, client: GeminiClient) -> None:
    models = [
        {"name": "models/gemini-x", "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/embedding-x", "supportedGenerationMethods": ["embedContent"]},
    ]
    server.say(Script([json.dumps({"models": models}).encode()]))
    assert await client.list_models() == ["gemini-x"]


async def test_the_sdk_loads_without_stopping_the_loop(client: GeminiClient) -> None:
    """Importing takes a second or more; the loop goes on ticking meanwhile."""
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    await client.sdk.get()
    ticking.cancel()
    assert client.sdk.loaded is not None
    assert ticks >= 1
