"""Chat completions as OpenAI's own client sees them."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import httpx
import openai
import pytest

from ai_secretary.errors import ProviderError
from ai_secretary.llm import ChatDelta, Usage
from ai_secretary.testing.model_server import Script, completion, stream_of

from .conftest import END, KEY, TOOL, House

HI: list[Any] = [{"role": "user", "content": "Привет 👋"}]
MODELS = ("cloud/org/model:1", "plain/one", "secretary")
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "clock", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}},
    }
]


@pytest.mark.parametrize("model", MODELS)
async def test_an_answer_in_one_piece(house: House, model: str) -> None:
    answer = await house.client().chat.completions.create(model=model, messages=HI)
    assert answer.object == "chat.completion"
    assert answer.choices[0].message.content in {"Hello, world.", "Plain answer."}
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert isinstance(answer.created, int)


@pytest.mark.parametrize("model", MODELS)
async def test_a_streamed_answer(house: House, model: str) -> None:
    stream = await house.client().chat.completions.create(model=model, messages=HI, stream=True)
    chunks = [piece async for piece in stream]
    assert "".join(piece.choices[0].delta.content or "" for piece in chunks) in {"Hello, world.", "Plain answer."}
    assert len({piece.id for piece in chunks}) == 1
    assert len({piece.created for piece in chunks}) == 1
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [piece.choices[0].finish_reason for piece in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all(piece.choices for piece in chunks), "nobody asked for the chunk without choices"


@pytest.mark.parametrize("model", MODELS)
async def test_usage_comes_in_one_last_chunk_when_asked_for(house: House, model: str) -> None:
    stream = await house.client().chat.completions.create(
        model=model, messages=HI, stream=True, stream_options={"include_usage": True}
    )
    chunks = [piece async for piece in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens > 0
    assert all(piece.usage is None and piece.choices for piece in chunks[:-1])


@pytest.mark.parametrize("model", MODELS)
async def test_usage_is_counted_although_the_client_does_not_ask(house: House, model: str) -> None:
    async for _ in await house.client().chat.completions.create(model=model, messages=HI, stream=True):
        pass
    await house.client().chat.completions.create(model=model, messages=HI)
    rows = await house.rows("SELECT model, prompt_tokens, completion_tokens, cost_usd, actor_id FROM usage_log")
    assert len(rows) == 2
    expected = (11, 7) if model.startswith("cloud") else (5, 2)
    assert {(row["prompt_tokens"], row["completion_tokens"]) for row in rows} == {expected}
    assert all(row["actor_id"] for row in rows)
    if model.startswith("cloud"):
        assert rows[0]["cost_usd"] == pytest.approx((11 * 1.0 + 7 * 2.0) / 1e6)


async def test_the_blocking_client_works_too(house: House) -> None:
    def use() -> None:
        with openai.OpenAI(base_url=f"{house.url}/v1/", api_key=KEY, max_retries=0) as client:
            answer = client.chat.completions.create(model="plain/one", messages=HI)
            assert answer.choices[0].message.content == "Plain answer."
            with client.chat.completions.create(model="plain/one", messages=HI, stream=True) as stream:
                assert "".join(piece.choices[0].delta.content or "" for piece in stream) == "Plain answer."
            assert next(iter(client.models.list())).id == "secretary"

    await asyncio.to_thread(use)


async def test_what_the_client_sends_goes_upstream_as_it_is(house: House) -> None:
    await house.client().chat.completions.create(
        model="cloud/org/model:1", messages=HI, temperature=1.7, logit_bias={"5": 3}, user="u", extra_body={"guided": {"x": [1]}}
    )
    sent = house.upstream.requests[-1]
    assert sent.json == {
        "model": "test-model", "messages": HI, "temperature": 1.7, "logit_bias": {"5": 3}, "user": "u", "guided": {"x": [1]},
    }  # fmt: skip
    assert sent.headers["authorization"] == "Bearer sk-upstream-0123456789"
    assert KEY not in str(sent.headers)


async def test_bytes_of_a_stream_are_relayed_untouched(house: House) -> None:
    raw = b": hello\n\n" + b"".join(stream_of(["При", "вет"]))
    house.upstream.say(Script([raw[i : i + 7] for i in range(0, len(raw), 7)], content_type="text/event-stream"))
    async with httpx.AsyncClient() as client:
        answer = await client.post(
            f"{house.url}/v1/chat/completions",
            headers={"authorization": f"Bearer {KEY}"},
            json={"model": "cloud/org/model:1", "messages": HI, "stream": True, "stream_options": {"include_usage": True}},
        )
    assert answer.content == raw
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["plain/one", "secretary"])
async def test_a_tool_round_trip(house: House, model: str, stream: bool) -> None:
    house.plain.script = list(TOOL)
    client = house.client()
    if stream:
        name = arguments = ident = ""
        finish = None
        async for piece in await client.chat.completions.create(model=model, messages=HI, tools=TOOLS, stream=True):
            for part in piece.choices[0].delta.tool_calls or ():
                ident = part.id or ident
                name += (part.function.name if part.function else None) or ""
                arguments += (part.function.arguments if part.function else None) or ""
            finish = piece.choices[0].finish_reason or finish
    else:
        answer = await client.chat.completions.create(model=model, messages=HI, tools=TOOLS)
        asked = answer.choices[0].message.tool_calls
        assert asked is not None
        assert answer.choices[0].message.content is None
        call = asked[0]
        assert call.type == "function"
        ident, name, arguments, finish = call.id, call.function.name, call.function.arguments, answer.choices[0].finish_reason
    assert (ident, name, json.loads(arguments), finish) == ("call_1", "clock", {"zone": "UTC"}, "tool_calls")

    house.plain.script = [ChatDelta("It is noon."), END]
    history = [
        *HI,
        {"role": "assistant", "content": None, "tool_calls": [
            {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": ident, "content": "12:00"},
    ]  # fmt: skip
    answer = await client.chat.completions.create(model=model, messages=history, tools=TOOLS)
    assert answer.choices[0].message.content == "It is noon."
    seen = [message for message in house.plain.requests[-1].messages if message.role != "system"]
    assert [message.role for message in seen] == ["user", "assistant", "tool"]
    assert seen[1].tool_calls[0].name == "clock"
    assert seen[2].tool_call_id == ident


async def test_legacy_functions_are_answered_in_their_own_dialect(house: House) -> None:
    house.plain.script = list(TOOL)
    answer = await house.client().chat.completions.create(
        model="plain/one", messages=HI, functions=[{"name": "clock", "parameters": {"type": "object"}}]
    )
    called = answer.choices[0].message.function_call
    assert called is not None
    assert (called.name, called.arguments) == ("clock", '{"zone":"UTC"}')
    assert answer.choices[0].finish_reason == "function_call"


async def test_what_a_model_cannot_do_is_refused(house: House) -> None:
    client = house.client()
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    for options, param in (({"tools": TOOLS}, "tools"), ({"response_format": schema}, "response_format"), ({"n": 2}, "n")):
        with pytest.raises(openai.BadRequestError) as caught:
            await client.chat.completions.create(model="plain/simple", messages=HI, **options)
        assert caught.value.param == param
    with pytest.raises(openai.BadRequestError):
        await client.chat.completions.create(model="secretary", messages=HI, n=2)
    answer = await client.chat.completions.create(model="secretary", messages=HI, response_format=schema)
    assert answer.choices[0].message.content == "Plain answer."
    assert house.plain.requests[-1].response_format == schema


async def test_a_persona_is_the_whole_pipeline(house: House) -> None:
    await house.client().chat.completions.create(
        model="anna",
        messages=[
            {"role": "system", "content": "The caller is called Ivan."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": "Good day"},
            {"role": "user", "content": [{"type": "text", "text": "What is my name?"}]},
        ],
        temperature=0.1,
        max_tokens=33,
        stop=["STOP"],
        seed=3,
    )
    request = house.plain.requests[-1]
    assert request.messages[0].role == "system"
    assert "Anna" in request.messages[0].text
    assert request.messages[0].text.endswith("The caller is called Ivan.")
    assert [message.text for message in request.messages[1:]] == ["Hello", "Good day", "What is my name?"]
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop, sampling.seed) == (0.1, 33, ("STOP",), 3)


async def test_a_spare_model_answers_for_a_persona(house: House) -> None:
    house.plain.script = [ProviderError("The key was refused", code="key_refused")]
    answer = await house.client().chat.completions.create(model="secretary", messages=HI)
    assert answer.choices[0].message.content == "Hello, world."


# ---- errors ----


def failing(status: int, code: str | None = None, **headers: str) -> Script:
    body = json.dumps({"error": {"message": "sk-upstream-0123456789 said no", "type": "x", "param": None, "code": code}})
    return Script([body.encode()], status=status, headers=headers)


@pytest.mark.parametrize(
    ("script", "status", "code"),
    [
        (failing(401, "invalid_api_key"), 502, "key_refused"),
        (failing(429, Retry_After="3"), 429, "rate_limit_exceeded"),
        (failing(429, "insufficient_quota"), 429, "insufficient_quota"),
        (failing(404, "model_not_found"), 404, "model_not_found"),
        (failing(400, "context_length_exceeded"), 400, "context_length_exceeded"),
        (failing(400), 400, "request_refused"),
        (failing(500), 502, "unreachable"),
        (Script([b"<html>oops</html>"], content_type="text/html"), 502, "bad_reply"),
        (Script([b"<html>oops</html>"], status=503, content_type="text/html"), 502, "unreachable"),
        (Script(think=20), 504, "provider_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_failures_upstream(house: House, script: Script, status: int, code: str, stream: bool) -> None:
    house.upstream.say(script)
    with pytest.raises(openai.APIStatusError) as caught:
        await house.client().chat.completions.create(model="cloud/org/model:1", messages=HI, stream=stream)
    assert caught.value.status_code == status
    error = json.loads(caught.value.response.content)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["code"] == code
    assert "sk-upstream" not in caught.value.response.text


async def test_retry_after_is_passed_on(house: House) -> None:
    house.upstream.say(Script([b"{}"], status=429, headers={"Retry-After": "3"}))
    with pytest.raises(openai.RateLimitError) as caught:
        await house.client().chat.completions.create(model="cloud/org/model:1", messages=HI)
    assert caught.value.response.headers["retry-after"] == "3"


@pytest.mark.parametrize("model", MODELS)
async def test_a_failure_in_the_middle_of_a_stream(house: House, model: str) -> None:
    house.upstream.say(Script(stream_of(["half"])[:2], content_type="text/event-stream", end="cut"))
    house.plain.script = [ChatDelta("half"), ProviderError("It broke", code="bad_reply")]
    received = ""

    async def read() -> None:
        nonlocal received
        async for piece in await house.client().chat.completions.create(model=model, messages=HI, stream=True):
            received += piece.choices[0].delta.content or ""

    with pytest.raises(openai.APIError) as caught:
        await read()
    assert received == "half"
    assert caught.value.code == "bad_reply"
    rows = await house.rows("SELECT role, content, status, error_code FROM messages ORDER BY number")
    assert [(row["content"], row["status"]) for row in rows if row["role"] == "assistant"] == [("half", "error")]


async def post(house: House, body: bytes | dict[str, Any], **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with httpx.AsyncClient() as client:
        return await client.post(
            f"{house.url}/v1/chat/completions",
            content=content,
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json", **headers},
        )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        ({"messages": HI}, "model"),
        ({"model": "plain/one"}, "messages"),
        ({"model": "plain/one", "messages": []}, "messages"),
        ({"model": "plain/one", "messages": [{"role": "king", "content": "x"}]}, "messages.0.role"),
        ({"model": "plain/one", "messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"model": "secretary", "messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"model": "plain/one", "messages": HI, "temperature": 3}, "temperature"),
        ({"model": "plain/one", "messages": HI, "max_tokens": 0}, "max_tokens"),
    ],
)
async def test_wrong_requests(house: House, body: bytes | dict[str, Any], param: str | None) -> None:
    answer = await post(house, body)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param


@pytest.mark.parametrize("model", ["nobody", "cloud/unknown", "nowhere/x", "cloud/org/model:1/../x"])
async def test_unknown_models(house: House, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await house.client().chat.completions.create(model=model, messages=HI)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


async def test_keys_and_scopes(house: House) -> None:
    async with httpx.AsyncClient() as client:
        for headers in ({}, {"authorization": "Bearer wrong-key-000000"}, {"authorization": "Basic eDp5"}):
            answer = await client.get(f"{house.url}/v1/models", headers=headers)
            assert answer.status_code == 401
            assert answer.json()["error"]["type"] == "authentication_error"
            assert "www-authenticate" in answer.headers
        assert (await client.get(f"{house.url}/v1/models", headers={"x-api-key": KEY})).status_code == 200
    models_only = await house.key(scopes=("v1:models",))
    assert (await house.client(models_only).models.list()).data
    with pytest.raises(openai.PermissionDeniedError):
        await house.client(models_only).chat.completions.create(model="plain/one", messages=HI)


async def test_limits_of_a_key(house: House) -> None:
    client = house.client(await house.key(per_minute=2))
    for _ in range(2):
        await client.chat.completions.create(model="plain/one", messages=HI)
    with pytest.raises(openai.RateLimitError) as caught:
        await client.chat.completions.create(model="plain/one", messages=HI)
    assert int(caught.value.response.headers["retry-after"]) >= 1


async def test_bodies_may_be_gzip_but_not_too_large(house: House) -> None:
    body = json.dumps({"model": "plain/one", "messages": HI}).encode()
    assert (await post(house, gzip.compress(body), **{"content-encoding": "gzip"})).status_code == 200
    large = json.dumps({"model": "plain/one", "messages": [{"role": "user", "content": "x" * 1_100_000}]}).encode()
    assert (await post(house, large)).status_code == 413
    bomb = await post(house, gzip.compress(large), **{"content-encoding": "gzip"})
    assert (bomb.status_code, bomb.json()["error"]["type"]) == (413, "invalid_request_error")
    assert (await post(house, body, **{"content-encoding": "gzip"})).status_code == 400
    assert (await post(house, body, **{"content-encoding": "br"})).status_code == 415


async def test_paths_and_methods(house: House) -> None:
    auth = {"authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(base_url=house.url, headers=auth) as client:
        assert (await client.get("/v1/models/")).status_code == 200
        head = await client.head("/v1/models")
        assert (head.status_code, head.content) == (200, b"")
        assert (await client.post("/v1/chat/completions/", json={"model": "plain/one", "messages": HI})).status_code == 200
        for method, path, status in (
            ("GET", "/v1/chat/completions", 405),
            ("GET", "/v1/nothing", 404),
            ("PUT", "/v1/models", 405),
        ):
            answer = await client.request(method, path)
            assert answer.status_code == status
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


# ---- leaving ----


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [True, False])
async def test_leaving_stops_the_model_within_a_second(house: House, model: str, stream: bool) -> None:
    house.upstream.say(Script(stream_of(["word "] * 400), content_type="text/event-stream", pause=0.02)
                       if stream else Script([completion("late")], think=10))  # fmt: skip
    house.plain.script = [ChatDelta("word ")] * 400
    house.plain.pause = 0.02 if stream else 5
    reader, writer = await asyncio.open_connection("127.0.0.1", int(house.url.rsplit(":", 1)[1]))
    body = json.dumps({"model": model, "messages": HI, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    if stream:
        await reader.readuntil(b"word")
    else:
        while not house.plain.requests and not house.upstream.requests:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
    writer.close()
    stopped = house.upstream.requests[0].left if model.startswith("cloud") else house.plain.closed
    await asyncio.wait_for(stopped.wait(), 1.0)
    if stream:
        for _ in range(50):
            rows = await house.rows("SELECT content, status FROM messages WHERE role = 'assistant'")
            if rows:
                break
            await asyncio.sleep(0.02)
        assert rows[0]["status"] == "cancelled"
        assert rows[0]["content"].startswith("word")
        assert len(rows[0]["content"]) < 5 * 399
    else:
        assert not await house.rows("SELECT 1 FROM messages")


async def test_a_slow_model_is_kept_alive_by_comments(house: House) -> None:
    house.gateway.through.ping_s = house.gateway.persona.ping_s = 0.3
    house.upstream.say(Script([*stream_of(["late"])], content_type="text/event-stream", think=0.8))
    for model in MODELS:
        house.plain.pause = 0.4
        answer = await post(house, {"model": model, "messages": HI, "stream": True})
        assert answer.content.startswith(b": keep-alive\n\n")
        assert answer.content.endswith(b"data: [DONE]\n\n")
        assert answer.content.count(b"keep-alive") >= 2
    stream = await house.client().chat.completions.create(model="plain/one", messages=HI, stream=True)
    assert "".join([piece.choices[0].delta.content or "" async for piece in stream]) == "Plain answer."


async def test_an_error_after_a_comment_is_an_event(house: House) -> None:
    house.gateway.through.ping_s = 0.3
    house.upstream.say(Script([b'{"error":{"message":"no"}}'], status=429, think=0.8))
    answer = await post(house, {"model": "cloud/org/model:1", "messages": HI, "stream": True})
    assert answer.status_code == 200
    events = [line for line in answer.text.splitlines() if line.startswith("data:")]
    assert json.loads(events[0][6:])["error"]["code"] == "rate_limit_exceeded"
    assert "[DONE]" not in answer.text


# ---- storing ----


async def test_the_end_of_a_stream_waits_for_the_journal(house: House) -> None:
    """What the client has seen to its end is stored: the row is there when `[DONE]` is."""
    for number in range(5):
        await post(house, {"model": "cloud/org/model:1", "messages": HI, "stream": True})
        from sqlalchemy import text

        async with house.application.database.session() as session:
            count = (await session.execute(text("SELECT count(*) FROM usage_log"))).scalar()
        assert count == number + 1


async def test_conversations_of_callers(house: House) -> None:
    client, other = house.client(), house.client(await house.key())
    for sdk, options in (
        (client, {}), (client, {}), (client, {"user": "u1"}), (client, {"user": "u2"}), (client, {"user": "u1"}),
        (client, {"extra_headers": {"X-Conversation-Id": "mine"}}), (client, {"metadata": {"conversation_id": "mine"}}),
        (other, {}), (other, {"user": "u1"}), (other, {"extra_headers": {"X-Conversation-Id": "mine"}}),
    ):  # fmt: skip
        options_: Any = options
        await sdk.chat.completions.create(model="secretary", messages=HI, **options_)
    rows = await house.rows(
        "SELECT c.id, c.source, c.owner_id, count(m.id) AS n FROM conversations c JOIN messages m ON m.conversation_id = c.id"
        " GROUP BY c.id, c.source, c.owner_id"
    )
    assert sorted(row["n"] for row in rows) == [2, 2, 2, 2, 4, 4, 4]
    assert {row["source"] for row in rows} == {"api"}
    assert len({row["owner_id"] for row in rows}) == 2
    # Each exchange follows the one before it.
    heads = await house.rows("SELECT count(*) AS n FROM messages WHERE parent_id IS NULL")
    assert heads[0]["n"] == 7


async def test_an_id_from_an_answer_goes_on_in_its_conversation_and_is_nobody_elses(house: House) -> None:
    raw = await house.client().chat.completions.with_raw_response.create(model="secretary", messages=HI)
    ident = raw.headers["x-conversation-id"]
    house.gateway.persona.forget()  # as after a restart
    again = await house.client().chat.completions.with_raw_response.create(
        model="secretary", messages=HI, extra_headers={"X-Conversation-Id": ident}
    )
    assert again.headers["x-conversation-id"] == ident
    rows = await house.rows("SELECT count(*) AS n FROM messages WHERE parent_id IS NULL")
    assert rows[0]["n"] == 1
    with pytest.raises(openai.NotFoundError):
        await house.client(await house.key()).chat.completions.create(
            model="secretary", messages=HI, extra_headers={"X-Conversation-Id": ident}
        )


async def test_a_deleted_conversation_begins_anew(house: House) -> None:
    from sqlalchemy import text

    client = house.client()
    await client.chat.completions.create(model="secretary", messages=HI)
    async with house.application.database.transaction() as session:
        await session.execute(text("DELETE FROM messages"))
        await session.execute(text("DELETE FROM conversations"))
    await client.chat.completions.create(model="secretary", messages=HI)
    assert (await house.rows("SELECT count(*) AS n FROM messages"))[0]["n"] == 2


async def test_a_hundred_streams_at_once(house: House) -> None:
    house.upstream.say(Script(stream_of([f"{i} " for i in range(10)]), content_type="text/event-stream", pause=0.01))
    client = house.client()

    async def one(model: str) -> str:
        stream = await client.chat.completions.create(model=model, messages=HI, stream=True)
        return "".join([piece.choices[0].delta.content or "" async for piece in stream])

    house.plain.pause = 0.01
    answers = await asyncio.gather(*(one(MODELS[number % 3]) for number in range(100)))
    assert set(answers) == {"".join(f"{i} " for i in range(10)), "Plain answer."}
    rows = await house.rows("SELECT count(*) AS n FROM usage_log")
    assert rows[0]["n"] == 100
    audit = await house.rows("SELECT count(*) AS n FROM audit_log WHERE action = 'chat.completion'")
    assert audit[0]["n"] == 100


async def test_empty_usage_of_a_price(house: House) -> None:
    """A model without a price costs nobody knows what: NULL, not zero."""
    house.plain.script = [ChatDelta("x"), ChatDelta(finish_reason="stop", usage=Usage(1, 1))]
    await house.client().chat.completions.create(model="plain/one", messages=HI)
    assert (await house.rows("SELECT cost_usd FROM usage_log"))[0]["cost_usd"] is None
