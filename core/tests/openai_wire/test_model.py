"""A model behind a real socket: what arrives, what fails and how, and that leaving frees the server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from ai_secretary.errors import ProviderError, ProviderTimeout
from ai_secretary.llm import (
    ChatDelta,
    ChatMessage,
    ChatModel,
    ChatRequest,
    EmbeddingModel,
    ModelInfo,
    RelayingChatModel,
    Sampling,
)
from ai_secretary.openai_wire import Dialect, OpenAIWireModel, Timeouts, WireClient
from ai_secretary.testing.model_server import USAGE, ModelServer, Script, chunk, completion, stream_of

Make = Callable[..., OpenAIWireModel]
KEY = "sk-test-0123456789abcdef"


@pytest.fixture
async def make(server: ModelServer) -> AsyncIterator[Make]:
    clients: list[WireClient] = []

    def build(*, read: float = 5.0, price: float | None = None, dialect: Dialect | None = None) -> OpenAIWireModel:
        client = WireClient(server.url, KEY, title="Test", timeouts=Timeouts(2.0, read), dialect=dialect)
        clients.append(client)
        info = ModelInfo("test/m", "M", "Test", 8192, price_prompt=price, price_completion=price)
        return OpenAIWireModel(client, info, "m")

    yield build
    for client in clients:
        await client.close()


def ask(text: str = "Hi", **sampling: object) -> ChatRequest:
    return ChatRequest("m", (ChatMessage("user", text),), Sampling(**sampling))  # type: ignore[arg-type]


async def collect(model: OpenAIWireModel, request: ChatRequest | None = None) -> list[ChatDelta]:
    return [delta async for delta in model.stream(request or ask())]


def text_of(deltas: list[ChatDelta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_streams_text_then_usage_and_cost(server: ModelServer, make: Make) -> None:
    deltas = await collect(make(price=2.0), ask(temperature=0.3, max_tokens=50, stop=("END",)))
    assert text_of(deltas) == "Hello, world."
    assert [bool(delta.finish_reason) for delta in deltas] == [False, False, False, True]
    usage = deltas[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (11, 7)
    assert usage.cost_usd == pytest.approx(18 * 2 / 1e6)
    sent = server.requests[0].json
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}
    assert (sent["model"], sent["temperature"], sent["max_tokens"], sent["stop"]) == ("m", 0.3, 50, ["END"])
    assert "repetition_penalty" not in sent
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


async def test_a_model_is_all_three_contracts(make: Make) -> None:
    model = make()
    chat: ChatModel = model
    assert chat.count_tokens("Здравствуйте, чем помочь?") >= 6
    assert isinstance(model, RelayingChatModel)
    assert isinstance(model, EmbeddingModel)


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
async def test_utf8_and_events_may_be_cut_anywhere(server: ModelServer, make: Make, line_end: bytes) -> None:
    raw = b"".join(stream_of(["Привет", ", 👋", " мир"])).replace(b"\n", line_end)
    server.say(Script([raw[i : i + 3] for i in range(0, len(raw), 3)], content_type="text/event-stream; charset=utf-8"))
    assert text_of(await collect(make())) == "Привет, 👋 мир"


async def test_connections_are_kept(server: ModelServer, make: Make) -> None:
    model = make()
    for _ in range(5):
        await collect(model)
    assert server.connections == 1


async def test_a_kept_connection_that_the_server_closed_is_replaced(server: ModelServer, make: Make) -> None:
    model = make()
    pieces = stream_of(["ok"])
    server.say(
        Script(pieces, content_type="text/event-stream", end="close", headers={"connection": "keep-alive"}),
        Script(pieces, content_type="text/event-stream"),
    )
    assert text_of(await collect(model)) == "ok"
    assert text_of(await collect(model)) == "ok"


async def test_tool_calls_come_in_pieces(server: ModelServer, make: Make) -> None:
    server.say(
        Script(
            [
                chunk({"role": "assistant", "content": None, "tool_calls": [
                    {"index": 0, "id": "call_a", "type": "function", "function": {"name": "time", "arguments": ""}}]}),
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"zone":'}}]}),
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"UTC"}'}}]}),
                chunk({"tool_calls": [{"id": "call_b", "function": {"name": "day", "arguments": {"short": True}}}]}),
                chunk({}, finish="tool_calls"),
                b"data: [DONE]\n\n",
            ],
            content_type="text/event-stream",
        )
    )  # fmt: skip
    tools = ({"type": "function", "function": {"name": "time", "parameters": {"type": "object"}}},)
    deltas = await collect(make(), ChatRequest("m", (ChatMessage("user", "?"),), tools=tools, tool_choice="auto"))
    calls = [call for delta in deltas for call in delta.tool_calls]
    assert [(call.index, call.id, call.name) for call in calls] == [
        (0, "call_a", "time"), (0, None, None), (0, None, None), (1, "call_b", "day"),
    ]  # fmt: skip
    assert "".join(call.arguments for call in calls if call.index == 0) == '{"zone":"UTC"}'
    assert calls[3].arguments == '{"short": true}'
    assert deltas[-1].finish_reason == "tool_calls"
    assert server.requests[0].json["tools"] == [dict(tools[0])]


async def test_a_server_that_does_not_stream_is_understood(server: ModelServer, make: Make) -> None:
    server.say(Script([completion("All at once")]))
    deltas = await collect(make())
    assert text_of(deltas) == "All at once"
    assert deltas[-1].usage is not None
    assert deltas[-1].usage.prompt_tokens == USAGE["prompt_tokens"]


async def test_usage_is_estimated_where_the_server_is_silent(server: ModelServer, make: Make) -> None:
    server.say(Script(stream_of(["some words of an answer"], usage=False), content_type="text/event-stream"))
    usage = (await collect(make(), ask("a question of some length")))[-1].usage
    assert usage is not None
    assert 5 < usage.prompt_tokens < 30
    assert 3 < usage.completion_tokens < 20


def error(message: str, code: str | None = None, param: str | None = None) -> bytes:
    import json

    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}).encode()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (Script([error(f"Incorrect API key provided: {KEY}", "invalid_api_key")], status=401), "key_refused"),
        (Script([b'[{"error":{"code":400,"message":"API key not valid."}}]'], status=400), "key_refused"),
        (Script([error("You exceeded your current quota", "insufficient_quota")], status=429), "out_of_funds"),
        (Script([error("Insufficient Balance")], status=402), "out_of_funds"),
        (Script([error("slow down")], status=429, headers={"Retry-After": "7"}), "rate_limited"),
        (Script([error("The model `m` does not exist", "model_not_found")], status=404), "model_not_found"),
        (Script([error("This model's maximum context length is 8192 tokens", "context_length_exceeded")], status=400),
         "context_length_exceeded"),
        (Script([b'{"detail":"Prompt is too long"}'], status=422), "context_length_exceeded"),
        (Script([error("tools[0] is wrong", param="tools.0")], status=400), "request_refused"),
        (Script([b"<html>502 Bad Gateway</html>"], status=502, content_type="text/html"), "unreachable"),
        (Script([b"<html>Not here</html>"], status=404, content_type="text/html"), "bad_reply"),
        (Script([b""], status=302, headers={"Location": "http://127.0.0.1:1/steal"}), "bad_reply"),
        (Script([b"<html>Welcome</html>"], content_type="text/html"), "bad_reply"),
        (Script([b'{"object":"something else"}']), "bad_reply"),
        (Script([b"data: {oops\n\n"], content_type="text/event-stream"), "bad_reply"),
        (Script([b"\x00\x01\x02 not http at all \r\n\r\n"], raw=True), "bad_reply"),
        (Script([b'data: {"error":{"message":"overloaded","code":429}}\n\n'], content_type="text/event-stream"), "rate_limited"),
        (Script([b'{"error":{"message":"Provider returned error","code":502}}']), "unreachable"),
        (Script(stream_of(["half"])[:2], content_type="text/event-stream", end="cut"), "bad_reply"),
        (Script(stream_of(["half"])[:2], content_type="text/event-stream"), "bad_reply"),
    ],
)  # fmt: skip
async def test_failures_have_codes_and_never_become_text(server: ModelServer, make: Make, script: Script, code: str) -> None:
    server.say(script)
    received: list[str] = []

    async def receive() -> None:
        async for delta in make().stream(ask()):
            received.append(delta.text)

    with pytest.raises(ProviderError) as caught:
        await receive()
    assert caught.value.code == code
    assert KEY not in str(caught.value) + repr(caught.value.params) + caught.value.hint
    assert "".join(received) in {"", "half"}
    if code == "rate_limited" and script.headers:
        assert caught.value.retry_after == 7.0


async def test_nobody_listens(make: Make, server: ModelServer) -> None:
    client = WireClient("http://127.0.0.1:1/v1", title="Dead", timeouts=Timeouts(1, 1))
    with pytest.raises(ProviderError) as caught:
        await client.list_models()
    assert caught.value.code == "unreachable"
    await client.close()


@pytest.mark.parametrize("script", [
    Script(think=30),
    Script(stream_of(["first"])[:2], content_type="text/event-stream", end="stall"),
])  # fmt: skip
async def test_silence_is_a_timeout(server: ModelServer, make: Make, script: Script) -> None:
    server.say(script)
    started = time.monotonic()
    with pytest.raises(ProviderTimeout) as caught:
        await collect(make(read=0.3))
    assert caught.value.code == "provider_timeout"
    assert 0.25 < time.monotonic() - started < 2
    await asyncio.wait_for(server.requests[0].left.wait(), 1)


async def test_leaving_the_stream_closes_the_socket_at_once(server: ModelServer, make: Make) -> None:
    server.say(Script(stream_of(["a"] * 500), content_type="text/event-stream", pause=0.01))
    stream = make().stream(ask())
    async for delta in stream:
        if delta.text:
            break
    await stream.aclose()  # type: ignore[attr-defined]
    await asyncio.wait_for(server.requests[0].left.wait(), 1)


async def test_cancelling_before_the_first_byte_closes_the_socket(server: ModelServer, make: Make) -> None:
    server.say(Script(think=30))
    task = asyncio.create_task(collect(make()))
    while not server.requests:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.requests[0].left.wait(), 1)


async def test_relay_hands_bytes_on_untouched(server: ModelServer, make: Make) -> None:
    raw = b"".join(stream_of(["Привет"])) + b": a comment\n\n"
    server.say(Script([raw[i : i + 5] for i in range(0, len(raw), 5)], content_type="text/event-stream"))
    body = b'{"model": "m",  "messages":[{"role":"user","content":"x"}], "unknown_field": {"kept": 1}}'
    async with make().relay(body) as response:
        received = b"".join([piece async for piece in response.chunks])
    assert received == raw
    assert server.requests[0].body == body
    assert response.headers["content-type"] == "text/event-stream"


async def test_leaving_a_relay_closes_the_socket(server: ModelServer, make: Make) -> None:
    server.say(Script(stream_of(["a"] * 500), content_type="text/event-stream", pause=0.01))
    async with make().relay(b"{}") as response:
        async for _ in response.chunks:
            break
    await asyncio.wait_for(server.requests[0].left.wait(), 1)


async def test_a_refused_parameter_is_left_out_and_remembered(server: ModelServer, make: Make) -> None:
    def strict(request: object) -> Script:
        sent = server.requests[-1].json
        if "temperature" in sent:
            return Script([error("Unsupported value: 'temperature'", "unsupported_value", "temperature")], status=400)
        if "max_tokens" in sent:
            return Script([error("Use 'max_completion_tokens' instead.", "unsupported_parameter", "max_tokens")], status=400)
        return Script(stream_of(["fine"]), content_type="text/event-stream")

    server.answer = strict
    model = make()
    assert text_of(await collect(model, ask(temperature=0.7, max_tokens=5))) == "fine"
    assert server.requests[-1].json["max_completion_tokens"] == 5
    assert len(server.requests) == 3
    await collect(model, ask(temperature=0.7, max_tokens=5))
    assert len(server.requests) == 4


async def test_embeddings(make: Make) -> None:
    result = await make(price=1.0).embed(["one", "three"], dimensions=3)
    assert result.vectors == [[0.25, -0.5, 3.0], [0.25, -0.5, 5.0]]
    assert result.usage.prompt_tokens == 3


async def test_list_models(server: ModelServer) -> None:
    client = WireClient(server.url + "/", KEY, title="Test")
    assert await client.list_models() == ["test-model", "other/model:free"]
    assert server.requests[0].path == "/v1/models"
    await client.close()


async def test_a_hundred_streams_at_once(server: ModelServer, make: Make) -> None:
    server.say(Script(stream_of([f"{i} " for i in range(20)]), content_type="text/event-stream", pause=0.005))
    model = make()
    answers = await asyncio.gather(*(collect(model) for _ in range(100)))
    assert {text_of(answer) for answer in answers} == {"".join(f"{i} " for i in range(20))}
