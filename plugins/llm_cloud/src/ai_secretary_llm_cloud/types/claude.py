"""Claude by Anthropic's own API and SDK (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import httpx2

from ai_secretary.errors import ProviderError
from ai_secretary.llm import ChatDelta, ChatMessage, ChatModel, ChatRequest, FinishReason, ModelInfo, ToolCallDelta
from ai_secretary.openai_wire import RequestRefused, estimate_tokens, failure
from ai_secretary.plugins.provider_types import ModelTraits, ProviderConnection
from ai_secretary_llm_cloud.types.sdk_http import OpenAnswers, make_http
from ai_secretary_llm_cloud.types.sdk_model import LazySdk, image_of, network_failure, priced, system_text, unknown_part

if TYPE_CHECKING:
    from anthropic import APIStatusError, AsyncAnthropic

_FINISH: dict[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DEFAULT_MAX_TOKENS = 4096
"""The API wants a bound; a spoken or chat answer stays far below it."""
_OPTIONAL = ("temperature", "top_p")
"""Newer models refuse them; what a model refuses is left out from then on."""


class _Sdk(LazySdk["AsyncAnthropic"]):
    def __init__(self, connection: ProviderConnection) -> None:
        super().__init__()
        self._connection = connection

    def _make(self) -> AsyncAnthropic:
        from anthropic import AsyncAnthropic

        connection = self._connection
        return AsyncAnthropic(
            api_key=connection.api_key,
            base_url=(connection.base_url or ClaudeType.default_base_url).removesuffix("/v1"),
            max_retries=0,
            http_client=make_http(connection.title, connection.timeout_s, connection.proxies),
        )


class ClaudeClient:
    """A live client of one account."""

    def __init__(self, connection: ProviderConnection) -> None:
        self.connection = connection
        self.sdk = _Sdk(connection)
        self.refused: dict[str, frozenset[str]] = {}

    def model(self, info: ModelInfo, name: str) -> ChatModel:
        return ClaudeModel(self, info, name)

    async def list_models(self) -> Sequence[str]:
        sdk = await self.sdk.get()
        try:
            page = await sdk.models.list(limit=100)
            return [entry.id for entry in page.data]
        except Exception as error:
            raise self.failed(error) from error

    def failed(self, error: Exception, model: str = "") -> Exception:
        import anthropic

        title = self.connection.title
        if isinstance(error, anthropic.APIStatusError):
            response = error.response
            try:
                body = response.content
            except httpx2.StreamError:  # the body of a streamed answer was never kept; the SDK keeps what it parsed
                body = json.dumps(error.body if isinstance(error.body, dict) else {"error": {"message": error.message}}).encode()
            status = _status_of(error)
            return failure(title, status, dict(response.headers), body, model=model, secret=self.connection.api_key)
        if isinstance(error, anthropic.APIConnectionError) and isinstance(error.__cause__, Exception):
            return network_failure(self.connection, error.__cause__)
        return network_failure(self.connection, error)

    async def close(self) -> None:
        if self.sdk.loaded is not None:
            await self.sdk.loaded.close()


_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def _status_of(error: APIStatusError) -> int:
    """An error in the middle of a stream comes with status 200; its type tells what it is."""
    if error.status_code >= 400:
        return int(error.status_code)
    detail = error.body.get("error") if isinstance(error.body, dict) else None
    return _STATUS.get(str(detail.get("type")), 500) if isinstance(detail, dict) else 500


class ClaudeModel:
    """One Claude model."""

    def __init__(self, client: ClaudeClient, info: ModelInfo, name: str) -> None:
        self._client = client
        self._info = info
        self._name = name

    @property
    def info(self) -> ModelInfo:
        return self._info

    def count_tokens(self, text: str) -> int:
        return estimate_tokens(text)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        client = self._client
        answers = OpenAnswers()
        parameters = request_parameters(request, self._name)
        try:
            stream = await self._open(parameters, answers)
            prompt = completion = 0
            finish: FinishReason = "stop"
            calls: dict[int, int] = {}
            ended = False
            async for event in stream:
                if event.type == "message_start":
                    usage = event.message.usage
                    prompt = usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)
                elif event.type == "content_block_start" and event.content_block.type == "tool_use":
                    number = calls.setdefault(event.index, len(calls))
                    yield ChatDelta(tool_calls=(ToolCallDelta(number, event.content_block.id, event.content_block.name),))
                elif event.type == "content_block_delta":
                    if event.delta.type == "text_delta":
                        yield ChatDelta(event.delta.text)
                    elif event.delta.type == "input_json_delta" and event.index in calls:
                        yield ChatDelta(tool_calls=(ToolCallDelta(calls[event.index], arguments=event.delta.partial_json),))
                elif event.type == "message_delta":
                    finish = _FINISH.get(event.delta.stop_reason or "", "stop")
                    completion = event.usage.output_tokens
                elif event.type == "message_stop":
                    ended = True
            if not ended:
                raise ProviderError(
                    "{provider} broke the connection off in the middle of an answer",
                    provider=client.connection.title,
                    code="bad_reply",
                )
            yield ChatDelta(finish_reason=finish, usage=priced(self._info, prompt, completion))
        except ProviderError:
            raise
        except Exception as error:
            raise client.failed(error, self._name) from error
        finally:
            await answers.close()

    async def _open(self, parameters: dict[str, Any], answers: OpenAnswers) -> Any:
        sdk = await self._client.sdk.get()
        while True:
            without = self._client.refused.get(self._name, frozenset())
            extra = {name: value for name, value in parameters["extra_body"].items() if name not in without}
            try:
                with answers:
                    return await sdk.messages.create(**{**parameters, "extra_body": extra})
            except Exception as error:
                failed = self._client.failed(error, self._name)
                said = str(failed.params.get("said", "")) if isinstance(failed, RequestRefused) else ""
                refused = next((name for name in _OPTIONAL if name in extra and name in said), None)
                if refused is None:
                    raise failed from error
                self._client.refused[self._name] = without | {refused}


def request_parameters(request: ChatRequest, name: str) -> dict[str, Any]:
    """Keyword arguments of `messages.create`."""
    sampling = request.sampling
    parameters: dict[str, Any] = {
        "model": name,
        "max_tokens": sampling.max_tokens or _DEFAULT_MAX_TOKENS,
        "messages": _messages(request.messages),
        "stream": True,
    }
    if system := system_text(request.messages):
        parameters["system"] = system
    if stops := [stop for stop in sampling.stop if stop.strip()]:  # the API refuses stops of blanks alone
        parameters["stop_sequences"] = stops
    extra: dict[str, Any] = {}
    if sampling.temperature is not None:
        extra["temperature"] = min(sampling.temperature, 1.0)  # the API's range ends at 1
    elif sampling.top_p is not None:
        extra["top_p"] = sampling.top_p  # either one or the other
    parameters["extra_body"] = extra
    if request.tools and request.tool_choice != "none":
        parameters["tools"] = [_tool(dict(tool)) for tool in request.tools]
        choice = _tool_choice(request.tool_choice)
        if request.parallel_tool_calls is False:
            choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
        if choice is not None:
            parameters["tool_choice"] = choice
    kind = (request.response_format or {}).get("type", "text")
    if kind == "json_schema":
        schema = dict(request.response_format or {}).get("json_schema", {}).get("schema", {})
        parameters["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    elif kind == "json_object":
        ask = "Answer with one JSON object and nothing else."
        parameters["system"] = f"{parameters['system']}\n\n{ask}" if "system" in parameters else ask
    return parameters


def _tool(tool: dict[str, Any]) -> dict[str, Any]:
    function = tool.get("function", {})
    made = {"name": function.get("name", ""), "input_schema": function.get("parameters") or {"type": "object", "properties": {}}}
    if function.get("description"):
        made["description"] = function["description"]
    return made


def _tool_choice(choice: object) -> dict[str, Any] | None:
    if choice == "required":
        return {"type": "any"}
    if choice == "auto":
        return {"type": "auto"}
    if isinstance(choice, dict):
        return {"type": "tool", "name": str(choice.get("function", {}).get("name", ""))}
    return None


def _messages(messages: tuple[ChatMessage, ...]) -> list[dict[str, Any]]:
    """Alternating user and assistant messages: tool results are the user's, neighbours of one role are joined."""
    joined: list[dict[str, Any]] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if joined and joined[-1]["role"] == role:
            joined[-1]["content"].extend(blocks)
        else:
            joined.append({"role": role, "content": blocks})
    if not joined or joined[0]["role"] != "user":
        joined.insert(0, {"role": "user", "content": [{"type": "text", "text": "…"}]})  # the API wants the person to begin
    return joined


def _blocks(message: ChatMessage) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [{"type": "tool_result", "tool_use_id": message.tool_call_id or "", "content": message.text}]
    blocks: list[dict[str, Any]] = []
    if isinstance(message.content, str):
        if message.content.strip():
            blocks.append({"type": "text", "text": message.content})
    else:
        for part in message.content or ():
            if part.get("type") == "text":
                if str(part.get("text", "")).strip():
                    blocks.append({"type": "text", "text": str(part["text"])})
            elif part.get("type") == "image_url":
                media_type, data = image_of(dict(part))
                blocks.append({"type": "image", "source": {"type": "base64", "media_type": media_type, "data": data}})
            else:
                raise unknown_part(part.get("type"))
    for call in message.tool_calls:
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = {"arguments": call.arguments}
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return blocks


class ClaudeType:
    """Anthropic's own API."""

    id = "claude"
    title = "Claude (Anthropic)"
    default_base_url = "https://api.anthropic.com"
    default_models: Sequence[str] = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5")
    requires_base_url = False
    requires_key = True
    key_url = "https://platform.claude.com/settings/keys"

    def traits(self, model: str) -> ModelTraits:
        return ModelTraits(200_000, supports_tools=True, supports_json_schema=True, supports_images=True)

    def connect(self, connection: ProviderConnection) -> ClaudeClient:
        return ClaudeClient(connection)
