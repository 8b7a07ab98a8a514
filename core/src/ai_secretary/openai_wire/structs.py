"""The parts of OpenAI's wire format that the house reads. Everything else in an answer is skipped undecoded."""

from __future__ import annotations

from typing import Any

import msgspec


class Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None
    """A JSON string; a few servers send the object itself."""


class ToolCallPart(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Content(msgspec.Struct):
    """A message of a whole answer, or a delta of a streamed one."""

    content: str | list[dict[str, Any]] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCallPart] | None = None
    function_call: Function | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        if self.content:
            return "".join(str(part.get("text") or "") for part in self.content if isinstance(part, dict))
        return self.refusal or ""


class Choice(msgspec.Struct):
    index: int = 0
    delta: Content | None = None
    message: Content | None = None
    finish_reason: str | None = None


class TokenUsage(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    cost: float | None = None
    """US dollars, where the server tells (OpenRouter)."""


class Answer(msgspec.Struct):
    """A chat completion or one chunk of it."""

    choices: list[Choice] = []
    usage: TokenUsage | None = None
    error: Any = None


class ModelEntry(msgspec.Struct):
    id: str


class ModelList(msgspec.Struct):
    data: list[ModelEntry]


class EmbeddingEntry(msgspec.Struct):
    embedding: list[float] | str
    index: int = 0


class EmbeddingReply(msgspec.Struct):
    data: list[EmbeddingEntry]
    usage: TokenUsage | None = None


class ErrorDetail(msgspec.Struct):
    message: str | None = None
    type: str | None = None
    code: str | int | None = None
    param: str | None = None


answer_decoder = msgspec.json.Decoder(Answer)
model_list_decoder = msgspec.json.Decoder(ModelList)
embedding_decoder = msgspec.json.Decoder(EmbeddingReply)
encoder = msgspec.json.Encoder()
