"""Gemini by Google's own API and SDK (https://ai.google.dev/api/generate-content)."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from ai_secretary.errors import ProviderError
from ai_secretary.i18n import N_
from ai_secretary.ids import new_id
from ai_secretary.llm import ChatDelta, ChatMessage, ChatModel, ChatRequest, FinishReason, ModelInfo, ToolCallDelta
from ai_secretary.openai_wire import RequestRefused, estimate_prompt, estimate_tokens, failure
from ai_secretary.plugins.provider_types import ModelTraits, ProviderConnection
from ai_secretary_llm_cloud.types.sdk_http import OpenAnswers, make_http
from ai_secretary_llm_cloud.types.sdk_model import LazySdk, image_of, network_failure, priced, system_text, unknown_part

if TYPE_CHECKING:
    from google.genai import Client

_FINISH: dict[str, FinishReason] = {"STOP": "stop", "MAX_TOKENS": "length"}


class _Sdk(LazySdk["Client"]):
    def __init__(self, connection: ProviderConnection) -> None:
        super().__init__()
        self._connection = connection

    def _make(self) -> Client:
        import httpx2
        from google.genai import Client
        from google.genai.types import HttpOptions

        connection = self._connection
        # Both HTTP clients are ours, so that neither the environment's proxies nor its Google accounts come into play.
        options = HttpOptions(
            base_url=connection.base_url or None,
            httpx_async_client=make_http(connection.title, connection.timeout_s, connection.proxies),
            httpx_client=httpx2.Client(trust_env=False),
        )
        return Client(api_key=connection.api_key, vertexai=False, http_options=options)


class GeminiClient:
    """A live client of one account."""

    def __init__(self, connection: ProviderConnection) -> None:
        self.connection = connection
        self.sdk = _Sdk(connection)

    def model(self, info: ModelInfo, name: str) -> ChatModel:
        return GeminiModel(self, info, name)

    async def list_models(self) -> Sequence[str]:
        sdk = await self.sdk.get()
        try:
            names = []
            async for entry in await sdk.aio.models.list(config={"page_size": 1000}):
                if "generateContent" in (entry.supported_actions or ["generateContent"]):
                    names.append((entry.name or "").removeprefix("models/"))
            return names
        except Exception as error:
            raise self.failed(error) from error

    def failed(self, error: Exception, model: str = "") -> Exception:
        from google.genai.errors import APIError

        if isinstance(error, APIError):
            headers = dict(getattr(error.response, "headers", None) or {})
            details = error.details if isinstance(error.details, dict) else {"error": {"message": str(error.message or "")}}
            body = json.dumps(details, default=str).encode()
            code = error.code if isinstance(error.code, int) and error.code >= 400 else 500
            return failure(self.connection.title, code, headers, body, model=model, secret=self.connection.api_key)
        return network_failure(self.connection, error)

    async def close(self) -> None:
        if self.sdk.loaded is not None:
            await self.sdk.loaded.aio.aclose()
            self.sdk.loaded.close()


class GeminiModel:
    """One Gemini model."""

    def __init__(self, client: GeminiClient, info: ModelInfo, name: str) -> None:
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
        contents, config = request_parameters(request)
        answers = OpenAnswers()
        sdk = await client.sdk.get()
        try:
            with answers:
                stream = await sdk.aio.models.generate_content_stream(model=self._name, contents=contents, config=config)
                chunks = aiter(stream)
                chunk = await anext(chunks, None)
            finish: FinishReason | None = None
            prompt, completion, calls, length = None, None, 0, 0
            while chunk is not None:
                if chunk.usage_metadata is not None:
                    prompt = chunk.usage_metadata.prompt_token_count or prompt
                    written = (chunk.usage_metadata.candidates_token_count or 0) + (
                        chunk.usage_metadata.thoughts_token_count or 0
                    )
                    completion = written or completion
                feedback = chunk.prompt_feedback
                if feedback is not None and feedback.block_reason is not None:
                    finish = "content_filter"
                candidate = chunk.candidates[0] if chunk.candidates else None
                for part in (candidate.content.parts or ()) if candidate is not None and candidate.content is not None else ():
                    if part.function_call is not None:
                        call = part.function_call
                        arguments = json.dumps(call.args or {}, ensure_ascii=False)
                        name = call.name or ""
                        yield ChatDelta(
                            tool_calls=(ToolCallDelta(calls, _call_id(call.id, part.thought_signature), name, arguments),)
                        )
                        calls += 1
                    elif part.text and not part.thought:
                        length += len(part.text)
                        yield ChatDelta(part.text)
                if candidate is not None and candidate.finish_reason is not None:
                    finish = _FINISH.get(candidate.finish_reason.name, "content_filter")
                chunk = await anext(chunks, None)
            if finish is None:
                raise ProviderError(
                    "{provider} broke the connection off in the middle of an answer",
                    provider=client.connection.title,
                    code="bad_reply",
                )
            if calls and finish == "stop":
                finish = "tool_calls"
            usage = priced(
                self._info,
                estimate_prompt(request.messages) if prompt is None else prompt,
                int(length / 3.6) + 1 if completion is None else completion,
            )
            yield ChatDelta(finish_reason=finish, usage=usage)
        except ProviderError:
            raise
        except Exception as error:
            raise client.failed(error, self._name) from error
        finally:
            await answers.close()


_SIGNED = "~"


def _call_id(id: str | None, signature: bytes | None) -> str:
    """Gemini wants a call's thought signature back with its result; OpenAI's format has no place for it but the id."""
    made = id or new_id("call")
    return made if not signature else made + _SIGNED + base64.urlsafe_b64encode(signature).decode()


def _signature(id: str) -> bytes | None:
    encoded = id.partition(_SIGNED)[2]
    try:
        return base64.urlsafe_b64decode(encoded) if encoded else None
    except (ValueError, binascii.Error):
        return None


def request_parameters(request: ChatRequest) -> tuple[list[Any], Any]:
    """`contents` and `config` of `generate_content_stream`."""
    from google.genai import types

    sampling = request.sampling
    config: dict[str, Any] = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_output_tokens": sampling.max_tokens,
        "stop_sequences": list(sampling.stop) or None,
        "seed": sampling.seed,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "system_instruction": system_text(request.messages) or None,
        "automatic_function_calling": types.AutomaticFunctionCallingConfig(disable=True),
    }
    if request.tools:
        declarations = [_declaration(dict(tool)) for tool in request.tools]
        config["tools"] = [types.Tool(function_declarations=declarations)]
        mode, allowed = _tool_choice(request.tool_choice)
        if mode is not None:
            calling = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode(mode), allowed_function_names=allowed)
            config["tool_config"] = types.ToolConfig(function_calling_config=calling)
    kind = (request.response_format or {}).get("type", "text")
    if kind in {"json_object", "json_schema"}:
        config["response_mime_type"] = "application/json"
    if kind == "json_schema":
        config["response_json_schema"] = dict(request.response_format or {}).get("json_schema", {}).get("schema")
    given = {name: value for name, value in config.items() if value is not None}
    return _contents(request.messages), types.GenerateContentConfig(**given)


def _declaration(tool: dict[str, Any]) -> Any:
    from google.genai import types

    function = tool.get("function", {})
    return types.FunctionDeclaration(
        name=function.get("name"),
        description=function.get("description"),
        parameters_json_schema=function.get("parameters"),
    )


def _tool_choice(choice: object) -> tuple[str | None, list[str] | None]:
    if isinstance(choice, dict):
        return "ANY", [str(choice.get("function", {}).get("name", ""))]
    return {"none": "NONE", "required": "ANY", "auto": "AUTO"}.get(str(choice)), None


def _contents(messages: tuple[ChatMessage, ...]) -> list[Any]:
    from google.genai import types

    names = {call.id: call.name for message in messages for call in message.tool_calls}
    contents: list[types.Content] = []
    for message in messages:
        if message.role in {"system", "developer"}:
            continue
        role = "model" if message.role == "assistant" else "user"
        parts = _parts(message, names)
        if not parts:
            continue
        if contents and contents[-1].role == role:
            contents[-1].parts = [*(contents[-1].parts or ()), *parts]
        else:
            contents.append(types.Content(role=role, parts=parts))
    return contents


def _parts(message: ChatMessage, names: dict[str, str]) -> list[Any]:
    from google.genai import types

    if message.role == "tool":
        call_id = message.tool_call_id or ""
        name = names.get(call_id) or message.name
        if not name:
            raise RequestRefused(N_("A tool message answers a call that is not in the conversation: {id}"), id=call_id)
        try:
            found = json.loads(message.text)
        except ValueError:
            found = message.text
        response = found if isinstance(found, dict) else {"result": found}
        return [types.Part(function_response=types.FunctionResponse(name=name, response=response))]
    parts: list[types.Part] = []
    if isinstance(message.content, str):
        if message.content:
            parts.append(types.Part(text=message.content))
    else:
        for part in message.content or ():
            if part.get("type") == "text":
                parts.append(types.Part(text=str(part.get("text", ""))))
            elif part.get("type") == "image_url":
                media_type, data = image_of(dict(part))
                try:
                    raw = base64.b64decode(data, validate=True)
                except ValueError as error:
                    raise RequestRefused(N_("An image is not valid base64")) from error
                parts.append(types.Part(inline_data=types.Blob(mime_type=media_type, data=raw)))
            else:
                raise unknown_part(part.get("type"))
    for call in message.tool_calls:
        try:
            arguments = json.loads(call.arguments or "{}")
        except ValueError:
            arguments = {"arguments": call.arguments}
        function_call = types.FunctionCall(name=call.name, args=arguments)
        parts.append(types.Part(function_call=function_call, thought_signature=_signature(call.id)))
    return parts


class GeminiType:
    """Google's Gemini API (a key of Google AI Studio)."""

    id = "gemini"
    title = "Google Gemini"
    default_base_url = "https://generativelanguage.googleapis.com"
    default_models: Sequence[str] = ("gemini-3.8-flash", "gemini-3.1-flash-lite", "gemini-2.5-flash", "gemini-2.5-pro")
    requires_base_url = False
    requires_key = True
    key_url = "https://aistudio.google.com/apikey"

    def traits(self, model: str) -> ModelTraits:
        return ModelTraits(1_000_000, supports_tools=True, supports_json_schema=True, supports_images=True)

    def connect(self, connection: ProviderConnection) -> GeminiClient:
        return GeminiClient(connection)
