"""A model of an OpenAI-compatible server as the house knows models: streamed, relayed, and able to embed."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any

import msgspec

from ai_secretary.errors import ProviderError
from ai_secretary.ids import new_id
from ai_secretary.llm import (
    ChatDelta,
    ChatRequest,
    EmbeddingResult,
    FinishReason,
    ModelInfo,
    RelayResponse,
    ToolCallDelta,
    Usage,
)
from ai_secretary.openai_wire.client import MAX_ANSWER, WireClient
from ai_secretary.openai_wire.failures import RequestRefused, bad_reply, in_stream
from ai_secretary.openai_wire.requests import encode_request
from ai_secretary.openai_wire.sse import SSEDecoder
from ai_secretary.openai_wire.structs import (
    Answer,
    Content,
    TokenUsage,
    answer_decoder,
    embedding_decoder,
    encoder,
)
from ai_secretary.openai_wire.tokens import estimate_prompt, estimate_tokens
from ai_secretary.openai_wire.transport import Response, TransportFailed

_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_DROPPABLE = frozenset(
    {
        "temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty", "repetition_penalty",
        "parallel_tool_calls", "max_tokens", "max_completion_tokens", "stream_options",
    }
)  # fmt: skip


class _Collector:
    """What has been read of one answer."""

    def __init__(self) -> None:
        self.finish: FinishReason | None = None
        self.usage: TokenUsage | None = None
        self.text_length_tokens = 0
        self.done = False
        self._ids: list[str | None] = []

    def read(self, answer: Answer) -> ChatDelta | None:
        if answer.usage is not None:
            self.usage = answer.usage
        delta: ChatDelta | None = None
        for choice in answer.choices:
            if choice.index != 0:
                continue
            if choice.finish_reason:
                self.finish = _FINISH.get(choice.finish_reason, "stop")
            content = choice.delta if choice.delta is not None else choice.message
            if content is not None:
                delta = self._delta(content)
        return delta

    def _delta(self, content: Content) -> ChatDelta | None:
        text = content.text
        calls: tuple[ToolCallDelta, ...] = ()
        if content.tool_calls:
            calls = tuple(
                ToolCallDelta(
                    index := self._index(part.index, part.id),
                    self._first_id(index, part.id),
                    part.function.name if part.function else None,
                    _arguments(part.function.arguments if part.function else None),
                )
                for part in content.tool_calls
            )
        elif content.function_call is not None:
            legacy = content.function_call
            calls = (ToolCallDelta(0, self._first_id(0, None), legacy.name, _arguments(legacy.arguments)),)
        if not text and not calls:
            return None
        if text:
            self.text_length_tokens += len(text)
        return ChatDelta(text, calls)

    def _index(self, index: int | None, id: str | None) -> int:
        """Some servers leave the index out: a new id is a new call, no id goes on with the last one."""
        if index is not None:
            return index
        if id is not None:
            return self._ids.index(id) if id in self._ids else len(self._ids)
        return max(len(self._ids) - 1, 0)

    def _first_id(self, index: int, id: str | None) -> str | None:
        while len(self._ids) <= index:
            self._ids.append(None)
        if self._ids[index] is None:
            self._ids[index] = id or new_id("call")
            return self._ids[index]
        return None


def _arguments(value: str | dict[str, Any] | None) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return value or ""


class _Relay(AbstractAsyncContextManager[RelayResponse]):
    """One relayed request."""

    __slots__ = ("_body", "_client", "_response")

    def __init__(self, client: WireClient, body: bytes) -> None:
        self._client = client
        self._body = body
        self._response: Response | None = None

    async def __aenter__(self) -> RelayResponse:
        self._response = response = await self._client.post("/chat/completions", self._body)
        return RelayResponse(response.status, response.headers, self._chunks(response))

    async def _chunks(self, response: Response) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.chunks():
                yield chunk
        except TransportFailed as error:
            raise self._client.transport_error(error) from error

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._response is not None:
            self._response.close()


class OpenAIWireModel:
    """`ChatModel`, `RelayingChatModel` and `EmbeddingModel` over one `WireClient`. `name` is what upstream calls the model."""

    def __init__(self, client: WireClient, info: ModelInfo, name: str) -> None:
        self._client = client
        self._info = info
        self._name = name

    @property
    def info(self) -> ModelInfo:
        return self._info

    @property
    def upstream_model(self) -> str:
        return self._name

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    def relay(self, body: bytes) -> AbstractAsyncContextManager[RelayResponse]:
        return _Relay(self._client, body)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        client = self._client
        response = await self._ask(request)
        collector = _Collector()
        chunks = response.chunks()
        try:
            if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
                answer = self._whole(await response.read(MAX_ANSWER))
                if (delta := collector.read(answer)) is not None:
                    yield delta
                collector.done = True
            else:
                decoder = SSEDecoder()
                async for chunk in chunks:
                    for data in decoder.feed(chunk):
                        if (delta := self._event(collector, data)) is not None:
                            yield delta
                    if collector.done:
                        break
                if not collector.done:
                    for data in decoder.finish():
                        if (delta := self._event(collector, data)) is not None:
                            yield delta
                if collector.finish is None and not collector.done:
                    raise client.transport_error(TransportFailed("cut", "no end of the answer"))
            yield ChatDelta(finish_reason=collector.finish or "stop", usage=self._usage(collector, request))
            await _drain(chunks)
        except TransportFailed as error:
            raise client.transport_error(error) from error
        finally:
            response.close()

    async def _ask(self, request: ChatRequest) -> Response:
        """Send the request. A parameter that the model refuses is left out and remembered (reasoning models: temperature)."""
        client = self._client
        while True:
            without = client.refused_parameters.get(self._name, frozenset())
            body = encoder.encode(encode_request(request, self._name, client.dialect, without=without))
            response = await client.post("/chat/completions", body)
            if response.status == 200:
                return response
            error = await client.error_of(response, self._name)
            refused = (error.field or "").partition(".")[0]
            if not isinstance(error, RequestRefused) or refused not in _DROPPABLE or refused in without:
                raise error
            client.refused_parameters[self._name] = without | {refused}

    def _event(self, collector: _Collector, data: bytes) -> ChatDelta | None:
        if data == b"[DONE]" or collector.done:
            collector.done = True
            return None
        try:
            answer = answer_decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad_reply(self._client.title, "an event is not valid JSON") from error
        if answer.error is not None:
            raise in_stream(self._client.title, answer.error, model=self._name, secret=self._client.api_key)
        return collector.read(answer)

    def _whole(self, body: bytes) -> Answer:
        try:
            answer = answer_decoder.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise bad_reply(self._client.title, "not an answer of a model") from error
        if answer.error is not None:
            raise in_stream(self._client.title, answer.error, model=self._name, secret=self._client.api_key)
        if not answer.choices:
            raise bad_reply(self._client.title, "an answer without choices")
        return answer

    def _usage(self, collector: _Collector, request: ChatRequest) -> Usage:
        told = collector.usage
        prompt = told.prompt_tokens if told is not None else None
        completion = told.completion_tokens if told is not None else None
        if prompt is None:
            prompt = estimate_prompt(request.messages)
        if completion is None:
            completion = int(collector.text_length_tokens / 3.6) + 1
        return self._priced(prompt, completion, told.cost if told is not None else None)

    def _priced(self, prompt: int, completion: int, told: float | None) -> Usage:
        info = self._info
        if info.price_prompt is None and info.price_completion is None:
            return Usage(prompt, completion, told)
        cost = (prompt * (info.price_prompt or 0) + completion * (info.price_completion or 0)) / 1_000_000
        return Usage(prompt, completion, cost)

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> EmbeddingResult:
        """One vector per text, in order. Raises `ProviderError`."""
        client = self._client
        body: dict[str, Any] = {"model": self._name, "input": list(texts), "encoding_format": "float"}
        if dimensions is not None:
            body["dimensions"] = dimensions
        response = await client.post("/embeddings", encoder.encode(body))
        if response.status != 200:
            raise await client.error_of(response, self._name)
        try:
            reply = embedding_decoder.decode(await response.read(MAX_ANSWER))
            vectors = [_vector(entry.embedding) for entry in sorted(reply.data, key=lambda entry: entry.index)]
        except TransportFailed as error:
            raise client.transport_error(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError, struct.error) as error:
            raise bad_reply(client.title, "not a list of vectors") from error
        if len(vectors) != len(texts):
            raise bad_reply(client.title, "a different number of vectors than texts")
        prompt = reply.usage.prompt_tokens if reply.usage is not None else None
        return EmbeddingResult(vectors, self._priced(prompt or sum(estimate_tokens(text) for text in texts), 0, None))


def _vector(value: list[float] | str) -> list[float]:
    if isinstance(value, list):
        return value
    raw = base64.b64decode(value, validate=True)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    """Read the few bytes after the last event, so that the connection can be used again; not for longer than a moment."""
    try:
        async with asyncio.timeout(0.2):
            async for _ in chunks:
                pass
    except (TimeoutError, TransportFailed, ProviderError):
        return
