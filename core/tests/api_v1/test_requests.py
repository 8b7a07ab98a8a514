"""Bodies of clients: what is wrong with them, and what goes upstream."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai_secretary.api.v1.requests import chat_request, decode_chat, upstream_body
from ai_secretary.errors import InvalidInput


def body(**changes: Any) -> bytes:
    fields: dict[str, Any] = {"model": "p/m", "messages": [{"role": "user", "content": "Hi"}], **changes}
    return json.dumps({name: value for name, value in fields.items() if value is not ...}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b"{", None),
        (b"\xff\xfe", None),
        (b"[]", None),
        (body(model=...), "model"),
        (body(model=5), "model"),
        (body(model=""), "model"),
        (body(messages=...), "messages"),
        (body(messages=[]), "messages"),
        (body(messages="x"), "messages"),
        (body(messages=[{"content": "x"}]), "messages.0.role"),
        (body(messages=[{"role": "user", "content": "x"}, {"role": "wizard", "content": "x"}]), "messages.1.role"),
        (body(temperature=3), "temperature"),
        (body(temperature="hot"), "temperature"),
        (body(max_tokens=0), "max_tokens"),
        (body(max_completion_tokens=-1), "max_completion_tokens"),
        (body(top_p=1.5), "top_p"),
        (body(stop=["1", "2", "3", "4", "5"]), "stop"),
        (body(n=0), "n"),
        (body(stream="yes"), "stream"),
        (body(stream_options={"include_usage": 3}), "stream_options.include_usage"),
    ],
)
def test_what_is_wrong_is_named(raw: bytes, param: str | None) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode_chat(raw)
    assert caught.value.field == param
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (body(messages=[{"role": "user", "content": 5}]), "messages.0.content"),
        (body(messages=[{"role": "user", "content": None}]), "messages.0.content"),
        (body(messages=[{"role": "tool", "content": "x"}]), "messages.0.tool_call_id"),
        (body(messages=[{"role": "assistant", "tool_calls": [{"id": "c"}]}]), "messages.0.tool_calls.0.function"),
        (body(tools=[{"type": "function", "function": {"name": "a b"}}]), "tools.0.function.name"),
        (body(tool_choice="maybe"), "tool_choice"),
        (body(response_format={"type": "xml"}), "response_format.type"),
        (body(response_format={"type": "json_schema"}), "response_format.json_schema"),
    ],
)
def test_what_is_wrong_deeper_is_named_where_it_is_read(raw: bytes, param: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        chat_request(decode_chat(raw), "m")
    assert caught.value.field == param


def test_everything_reaches_a_model_without_the_wire_format() -> None:
    request = chat_request(
        decode_chat(
            body(
                messages=[
                    {"role": "system", "content": "Be brief"},
                    {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
                    {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
                    {"role": "function", "name": "f", "content": "42"},
                ],
                functions=[{"name": "f", "parameters": {"type": "object"}}],
                function_call={"name": "f"},
                temperature=0.5,
                max_completion_tokens=9,
                stop="END",
                seed=7,
                response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}},
                store=True,
                service_tier="auto",
            )
        ),
        "m",
    )
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool"]
    assert request.messages[1].text == "ab"
    assert request.messages[2].tool_calls[0].id == request.messages[3].tool_call_id
    assert request.tools == ({"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}},)
    assert request.tool_choice == {"type": "function", "function": {"name": "f"}}
    sampling = request.sampling
    assert (sampling.temperature, sampling.max_tokens, sampling.stop, sampling.seed) == (0.5, 9, ("END",), 7)


def upstream(raw: bytes, name: str = "m", *, ask_usage: bool = False) -> bytes:
    return upstream_body(raw, decode_chat(raw), name, ask_usage=ask_usage)


def test_only_the_models_name_changes() -> None:
    raw = b'{ "messages" : [{"role":"user","content":"\xd0\x9f \\u0416"}],  "model" : "p/m", "x": {"y": 1e400} }'
    assert upstream(raw) == raw.replace(b'"p/m"', b'"m"')
    assert upstream(body(), "p/m") == body()


@pytest.mark.parametrize(
    "raw",
    [
        b'{"metadata":{"model":"p/m"},"model":"p/m","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"expensive","model":"p/m","messages":[{"role":"user","content":"x"}]}',
        b'{"model":"p/m","messages":[{"role":"user","content":"x"}],"mod\\u0065l":"p/m"}',
        b'{"mod\\u0065l":"p/m","messages":[{"role":"user","content":"x"}],"tool":{"model":"p/m"}}',
    ],
)
def test_a_field_that_stands_twice_is_sent_once(raw: bytes) -> None:
    sent = json.loads(upstream(raw))
    assert sent["model"] == "m"
    assert upstream(raw).count(b"expensive") == 0
    if "metadata" in sent:
        assert sent["metadata"] == {"model": "p/m"}


def test_usage_is_asked_for_where_the_client_said_nothing() -> None:
    assert json.loads(upstream(body(), ask_usage=True))["stream_options"] == {"include_usage": True}
    asked = json.loads(upstream(body(stream_options={"include_usage": False, "x": 1}), ask_usage=True))
    assert asked["stream_options"] == {"include_usage": True, "x": 1}
    assert "stream_options" not in json.loads(upstream(body()))
