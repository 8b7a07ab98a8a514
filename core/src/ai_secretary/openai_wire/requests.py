"""A `ChatRequest` in OpenAI's JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ai_secretary.llm import ChatMessage, ChatRequest


@dataclass(slots=True, frozen=True)
class Dialect:
    """How one kind of server departs from the common ground."""

    max_tokens_field: str = "max_tokens"
    """OpenAI's own newer models want `max_completion_tokens`."""
    repetition_penalty: bool = False
    """vLLM, llama.cpp and OpenRouter take it; others would refuse the request."""
    stream_usage: bool = True
    """Whether `stream_options.include_usage` may be asked for."""
    developer_role: bool = False
    """Whether the role `developer` is known; it becomes `system` where not."""


def encode_message(message: ChatMessage, dialect: Dialect) -> dict[str, Any]:
    role = "system" if message.role == "developer" and not dialect.developer_role else message.role
    encoded: dict[str, Any] = {"role": role, "content": message.content}
    if message.name is not None:
        encoded["name"] = message.name
    if message.tool_calls:
        encoded["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        encoded["tool_call_id"] = message.tool_call_id
    return encoded


def encode_request(
    request: ChatRequest, model: str, dialect: Dialect, *, stream: bool = True, without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The body of a chat-completions request. `without`: parameters that this model has refused before."""
    sampling = request.sampling
    max_tokens_field = dialect.max_tokens_field
    if max_tokens_field in without:
        max_tokens_field = "max_completion_tokens" if max_tokens_field == "max_tokens" else "max_tokens"
    optional: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        max_tokens_field: sampling.max_tokens,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "tools": list(request.tools) or None,
        "tool_choice": request.tool_choice if request.tools else None,
        "parallel_tool_calls": request.parallel_tool_calls if request.tools else None,
        "response_format": request.response_format,
    }
    if dialect.repetition_penalty:
        optional["repetition_penalty"] = sampling.repetition_penalty
    body: dict[str, Any] = {"model": model, "messages": [encode_message(message, dialect) for message in request.messages]}
    body.update((name, value) for name, value in optional.items() if value is not None and name not in without)
    if stream:
        body["stream"] = True
        if dialect.stream_usage and "stream_options" not in without:
            body["stream_options"] = {"include_usage": True}
    return body
