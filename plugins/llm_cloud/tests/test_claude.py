"""Claude by Anthropic's SDK, against a server that speaks the Messages API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ai_secretary.errors import ProviderError
from ai_secretary.llm import ChatDelta, ChatMessage, ChatModel, ChatRequest, ModelInfo, Sampling, ToolCallRequest
from ai_secretary.plugins.provider_types import ProviderConnection
from ai_secretary.testing.model_server import ModelServer, Script, SeenRequest
from ai_secretary_llm_cloud.types.claude import ClaudeClient, ClaudeType

KEY = "sk-ant-0123456789abcdef"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields}, ensure_ascii=False)}\n\n".encode()


def reply(*blocks: dict[str, Any], stop: str = "end_turn", tokens: int = 7) -> list[bytes]:
    message = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "stop_reason": None,
        "stop_sequence": None, "usage": {"input_tokens": 11, "output_tokens": 1, "cache_read_input_tokens": 2},
    }  # fmt: skip
    events = [event("message_start", message=message), event("ping")]
    for index, block in enumerate(blocks):
        if block["type"] == "text":
            events.append(event("content_block_start", index=index, content_block={"type": "text", "text": ""}))
            deltas = [{"type": "text_delta", "text": text} for text in block["pieces"]]
        else:
            start = {"type": "tool_use", "id": block["id"], "name": block["name"], "input": {}}
            events.append(event("content_block_start", index=index, content_block=start))
            deltas = [{"type": "input_json_delta", "partial_json": text} for text in block["pieces"]]
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    events.append(event("message_delta", delta={"stop_reason": stop, "stop_sequence": None}, usage={"output_tokens": tokens}))
    return [*events, event("message_stop")]


def text(*pieces: str) -> dict[str, Any]:
    return {"type": "text", "pieces": pieces}


SSE = "text/event-stream"


@pytest.fixture
async def client(server: ModelServer) -> AsyncIterator[ClaudeClient]:
    connection = ProviderConnection("claude", "Claude", f"http://127.0.0.1:{server.port}", KEY, "claude-x", timeout_s=2)
    made = ClaudeType().connect(connection)
    yield made
    await made.close()


@pytest.fixture
def model(client: ClaudeClient) -> ChatModel:
    return client.model(ModelInfo("claude/claude-x", "X", "Claude", 200_000, price_prompt=3.0, price_completion=15.0), "claude-x")


async def collect(model: ChatModel, *messages: ChatMessage, **more: Any) -> list[ChatDelta]:
    request = ChatRequest("claude-x", messages or (ChatMessage("user", "Hi"),), **more)
    return [delta async for delta in model.stream(request)]


async def test_text_usage_and_cost(server: ModelServer, model: ChatModel) -> None:
    raw = b"".join(reply(text("При", "вет 👋")))
    server.say(Script([raw[i : i + 3] for i in range(0, len(raw), 3)], content_type=SSE))
    deltas = await collect(model)
    assert "".join(delta.text for delta in deltas) == "Привет 👋"
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (13, 7)
    assert usage.cost_usd == pytest.approx((13 * 3 + 7 * 15) / 1e6)
    assert deltas[-1].finish_reason == "stop"
    sent = server.requests[0]
    assert sent.path == "/v1/messages"
    assert sent.headers["authorization"] == f"Bearer {KEY}"


async def test_everything_of_a_conversation_arrives(server: ModelServer, model: ChatModel) -> None:
    server.say(Script(reply(text("ok")), content_type=SSE))
    tool = {"type": "function", "function": {"name": "clock", "description": "Time", "parameters": {"type": "object"}}}
    await collect(
        model,
        ChatMessage("system", "Be brief"),
        ChatMessage("assistant", "Hello"),
        ChatMessage(
            "user",
            [
                {"type": "text", "text": "What is it"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
            ],
        ),
        ChatMessage("assistant", None, tool_calls=(ToolCallRequest("t1", "clock", '{"zone":"UTC"}'),)),
        ChatMessage("tool", "12:00", tool_call_id="t1"),
        ChatMessage("developer", "And polite"),
        ChatMessage("user", "So?"),
        sampling=Sampling(temperature=1.5, max_tokens=20, stop=("END", " \n")),
        tools=(tool,),
        tool_choice="required",
        parallel_tool_calls=False,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
    )
    sent = server.requests[0].json
    assert sent["system"] == "Be brief\n\nAnd polite"
    assert [message["role"] for message in sent["messages"]] == ["user", "assistant", "user", "assistant", "user"]
    assert sent["messages"][2]["content"][1]["source"] == {"type": "base64", "media_type": "image/png", "data": PIXEL}
    assert sent["messages"][3]["content"][0] == {"type": "tool_use", "id": "t1", "name": "clock", "input": {"zone": "UTC"}}
    assert [block["type"] for block in sent["messages"][4]["content"]] == ["tool_result", "text"]
    assert (sent["max_tokens"], sent["temperature"], sent["stop_sequences"]) == (20, 1.0, ["END"])
    assert sent["tools"] == [{"name": "clock", "description": "Time", "input_schema": {"type": "object"}}]
    assert sent["tool_choice"] == {"type": "any", "disable_parallel_tool_use": True}
    assert sent["output_config"]["format"] == {"type": "json_schema", "schema": {"type": "object"}}


async def test_tool_calls(server: ModelServer, model: ChatModel) -> None:
    call = {"type": "tool_use", "id": "t1", "name": "clock", "pieces": ['{"zone"', ':"UTC"}']}
    server.say(Script(reply(text("One moment."), call, stop="tool_use"), content_type=SSE))
    deltas = await collect(model)
    calls = [part for delta in deltas for part in delta.tool_calls]
    assert (calls[0].index, calls[0].id, calls[0].name) == (0, "t1", "clock")
    assert "".join(part.arguments for part in calls) == '{"zone":"UTC"}'
    assert deltas[-1].finish_reason == "tool_calls"


def refused(status: int, kind: str, message: str = "no", **headers: str) -> Script:
    return Script(
        [json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()], status=status, headers=headers
    )


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (refused(401, "authentication_error", f"invalid x-api-key {KEY}"), "key_refused"),
        (refused(402, "billing_error"), "out_of_funds"),
        (refused(400, "invalid_request_error", "Your credit balance is too low: insufficient funds"), "out_of_funds"),
        (refused(429, "rate_limit_error", **{"retry-after": "9"}), "rate_limited"),
        (refused(404, "not_found_error", "model: claude-x not found"), "model_not_found"),
        (refused(400, "invalid_request_error", "prompt is too long: 300000 tokens"), "context_length_exceeded"),
        (refused(529, "overloaded_error"), "unreachable"),
        (Script([b"<html>"], status=503, content_type="text/html"), "unreachable"),
        (Script([b"<html>hello</html>"], content_type="text/html"), "bad_reply"),
        (Script(reply(text("half"))[:4], content_type=SSE), "bad_reply"),
        (Script(reply(text("half"))[:4], content_type=SSE, end="cut"), "bad_reply"),
        (Script([event("error", error={"type": "overloaded_error", "message": "busy"})], content_type=SSE), "unreachable"),
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
    if code == "rate_limited":
        assert caught.value.retry_after == 9


async def test_leaving_closes_the_connection(server: ModelServer, model: ChatModel) -> None:
    server.say(Script(reply(text(*["word "] * 400)), content_type=SSE, pause=0.02))
    stream: Any = model.stream(ChatRequest("claude-x", (ChatMessage("user", "Hi"),)))
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


async def test_a_parameter_that_the_model_refuses_is_left_out(server: ModelServer, model: ChatModel) -> None:
    def strict(request: SeenRequest) -> Script:
        if "temperature" in request.json:
            return refused(400, "invalid_request_error", "temperature is not supported by this model")
        return Script(reply(text("fine")), content_type=SSE)

    server.answer = strict
    assert (await collect(model, sampling=Sampling(temperature=0.5)))[0].text == "fine"
    await collect(model, sampling=Sampling(temperature=0.5))
    assert len(server.requests) == 3


async def test_models_are_listed(server: ModelServer, client: ClaudeClient) -> None:
    entry = {"id": "claude-x", "type": "model", "display_name": "X", "created_at": "2026-01-01T00:00:00Z"}
    body = {"data": [entry], "has_more": False, "first_id": "claude-x", "last_id": "claude-x"}
    server.say(Script([json.dumps(body).encode()]))
    assert await client.list_models() == ["claude-x"]


async def test_an_image_is_never_fetched(server: ModelServer, model: ChatModel) -> None:
    part = {"type": "image_url", "image_url": {"url": f"{server.url}/secret.png"}}
    with pytest.raises(ProviderError) as caught:
        await collect(model, ChatMessage("user", [part]))
    assert caught.value.code == "request_refused"
    assert server.requests == []
