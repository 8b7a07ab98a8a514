"""Answers in OpenAI's shapes, for models and stages that do not speak the wire format themselves."""

from __future__ import annotations

import secrets
import time
from typing import Any

import msgspec

from ai_secretary.llm import ChatDelta, FinishReason, ToolCallDelta, Usage

_encode = msgspec.json.Encoder().encode


def new_completion_id() -> str:
    return f"chatcmpl-{secrets.token_hex(12)}"


def usage_object(usage: Usage) -> dict[str, int]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
    }


class ChunkWriter:
    """Chunks of one streamed answer; everything that stays the same is encoded once."""

    __slots__ = ("_after", "_before", "_legacy", "_role_sent")

    def __init__(self, completion_id: str, model: str, *, include_usage: bool, legacy_functions: bool = False) -> None:
        head = _encode({"id": completion_id, "object": "chat.completion.chunk", "created": int(time.time()), "model": model})
        self._before = b"data: " + head[:-1] + b',"choices":['
        self._after = b'],"usage":null}\n\n' if include_usage else b"]}\n\n"
        self._legacy = legacy_functions
        self._role_sent = False

    def _chunk(self, delta: bytes, finish: bytes = b"null") -> bytes:
        choice = b'{"index":0,"delta":' + delta + b',"logprobs":null,"finish_reason":' + finish + b"}"
        return self._before + choice + self._after

    def _with_role(self, data: bytes) -> bytes:
        if self._role_sent:
            return data
        self._role_sent = True
        return self._chunk(b'{"role":"assistant","content":""}') + data

    def delta(self, delta: ChatDelta) -> bytes:
        """The chunks of one delta, the first with the role before it; empty for a delta without content."""
        data = b""
        if delta.text:
            data = self._chunk(b'{"content":' + _encode(delta.text) + b"}")
        for call in delta.tool_calls:
            data += self._chunk(self._call(call))
        return self._with_role(data) if data else b""

    def _call(self, call: ToolCallDelta) -> bytes:
        function: dict[str, str] = {} if call.name is None else {"name": call.name}
        function["arguments"] = call.arguments
        if self._legacy:
            return _encode({"function_call": function})
        part: dict[str, Any] = {"index": call.index}
        if call.id is not None:
            part["id"] = call.id
            part["type"] = "function"
        part["function"] = function
        return _encode({"tool_calls": [part]})

    def finish(self, reason: FinishReason) -> bytes:
        said = "function_call" if self._legacy and reason == "tool_calls" else reason
        return self._with_role(self._chunk(b"{}", _encode(said)))

    def usage(self, usage: Usage) -> bytes:
        """The one chunk without choices; only for clients that asked for it."""
        return self._before + b'],"usage":' + _encode(usage_object(usage)) + b"}\n\n"


class Collected:
    """What an answer has come to so far."""

    __slots__ = ("_calls", "finish", "texts", "usage")

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._calls: dict[int, dict[str, str]] = {}
        self.finish: FinishReason = "stop"
        self.usage = Usage()

    def add(self, delta: ChatDelta) -> None:
        if delta.text:
            self.texts.append(delta.text)
        for part in delta.tool_calls:
            call = self._calls.setdefault(part.index, {"id": "", "name": "", "arguments": ""})
            call["id"] = part.id or call["id"]
            call["name"] = part.name or call["name"]
            call["arguments"] += part.arguments
        if delta.finish_reason is not None:
            self.finish = delta.finish_reason
        if delta.usage is not None:
            self.usage = delta.usage

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def tool_calls(self) -> list[dict[str, str]]:
        """Finished calls: id, name, arguments."""
        return [self._calls[index] for index in sorted(self._calls)]

    def completion(self, completion_id: str, model: str, *, legacy_functions: bool = False) -> bytes:
        calls = self.tool_calls
        text = self.text
        message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
        finish: str = self.finish
        if calls and legacy_functions:
            message["function_call"] = {"name": calls[0]["name"], "arguments": calls[0]["arguments"]}
            finish = "function_call" if finish == "tool_calls" else finish
        elif calls:
            message["tool_calls"] = [
                {"id": call["id"], "type": "function", "function": {"name": call["name"], "arguments": call["arguments"]}}
                for call in calls
            ]
        return _encode(
            {
                "id": completion_id,
                "object": "chat.completion",
                "created": int(time.time()),
                "model": model,
                "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
                "usage": usage_object(self.usage),
            }
        )
