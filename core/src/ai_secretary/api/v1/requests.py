"""What clients send to `/v1`, decoded only as far as needed. Unknown fields are skipped, as OpenAI's clients expect."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from ai_secretary.api.v1.failures import invalid_body
from ai_secretary.errors import InvalidInput
from ai_secretary.llm import ChatMessage, ChatRequest, JsonObject, Sampling, ToolCallRequest

_NULL = Raw(b"null")

Temperature = Annotated[float, Meta(ge=0, le=2)]
Share = Annotated[float, Meta(ge=0, le=1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]
Tokens = Annotated[int, Meta(ge=1)]


class MessageIn(Struct):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Raw = _NULL
    name: str | None = None
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL
    tool_call_id: str | None = None


class StreamOptions(Struct):
    include_usage: bool | None = None


class ChatIn(Struct):
    """A chat-completions request. `Raw` fields are only checked to be JSON until somebody needs them."""

    model: Annotated[str, Meta(min_length=1, max_length=300)]
    messages: Annotated[list[MessageIn], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Temperature | None = None
    top_p: Share | None = None
    max_tokens: Tokens | None = None
    max_completion_tokens: Tokens | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    seed: int | None = None
    stop: str | Annotated[list[str], Meta(max_length=4)] | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None
    tools: Raw = _NULL
    tool_choice: Raw = _NULL
    parallel_tool_calls: bool | None = None
    response_format: Raw = _NULL
    functions: Raw = _NULL
    function_call: Raw = _NULL

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and bool(self.stream_options.include_usage)


class _FunctionIn(Struct):
    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _ToolIn(Struct):
    type: Literal["function"]
    function: _FunctionIn


class _CalledIn(Struct):
    name: str
    arguments: str = ""


class _ToolCallIn(Struct):
    id: str
    function: _CalledIn


class _ChosenIn(Struct):
    name: str


class _ToolChoiceIn(Struct):
    type: Literal["function"]
    function: _ChosenIn


class _SchemaIn(Struct):
    name: str
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    description: str | None = None


class _FormatIn(Struct):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: _SchemaIn | None = None


class EmbeddingsIn(Struct):
    model: Annotated[str, Meta(min_length=1, max_length=300)]
    input: str | list[str | int | list[int]]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Meta(ge=1)] | None = None
    user: str | None = None


_chat = msgspec.json.Decoder(ChatIn)
_embeddings = msgspec.json.Decoder(EmbeddingsIn)
_content = msgspec.json.Decoder(str | list[dict[str, Any]] | None)
_tools = msgspec.json.Decoder(list[_ToolIn] | None)
_functions = msgspec.json.Decoder(list[_FunctionIn] | None)
_tool_calls = msgspec.json.Decoder(list[_ToolCallIn] | None)
_called = msgspec.json.Decoder(_CalledIn | None)
_choice = msgspec.json.Decoder(Literal["none", "auto", "required"] | _ToolChoiceIn | None)
_function_choice = msgspec.json.Decoder(Literal["none", "auto"] | _ChosenIn | None)
_format = msgspec.json.Decoder(_FormatIn | None)


def decode_chat(body: bytes) -> ChatIn:
    """Raises `InvalidInput` with the path of the wrong field."""
    try:
        return _chat.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_body(error) from error


def decode_embeddings(body: bytes) -> EmbeddingsIn:
    try:
        return _embeddings.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_body(error) from error


def _part(decoder: msgspec.json.Decoder[Any], raw: Raw, path: str) -> Any:
    try:
        return decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        found = invalid_body(error)
        inner = found.field or ""
        found.field = f"{path}.{inner}" if inner else path
        if "param" in found.params:
            found.params["param"] = found.field
            found.args = (found.message,)
        raise found from error


def sampling_of(chat: ChatIn) -> Sampling:
    stop = (chat.stop,) if isinstance(chat.stop, str) else tuple(chat.stop or ())
    return Sampling(
        temperature=chat.temperature,
        top_p=chat.top_p,
        max_tokens=chat.max_completion_tokens if chat.max_completion_tokens is not None else chat.max_tokens,
        repetition_penalty=chat.repetition_penalty,
        presence_penalty=chat.presence_penalty,
        frequency_penalty=chat.frequency_penalty,
        seed=chat.seed,
        stop=stop,
    )


def tools_of(chat: ChatIn) -> tuple[JsonObject, ...]:
    """Tools in today's form; the older `functions` become tools."""
    tools: list[_ToolIn] | None = _part(_tools, chat.tools, "tools")
    if tools:
        return tuple({"type": "function", "function": _function(tool.function)} for tool in tools)
    functions: list[_FunctionIn] | None = _part(_functions, chat.functions, "functions")
    return tuple({"type": "function", "function": _function(function)} for function in functions or ())


def _function(function: _FunctionIn) -> dict[str, Any]:
    made: dict[str, Any] = {"name": function.name}
    if function.description is not None:
        made["description"] = function.description
    if function.parameters is not None:
        made["parameters"] = function.parameters
    if function.strict is not None:
        made["strict"] = function.strict
    return made


def tool_choice_of(chat: ChatIn) -> str | JsonObject | None:
    chosen = _part(_choice, chat.tool_choice, "tool_choice")
    if chosen is None:
        chosen = _part(_function_choice, chat.function_call, "function_call")
    if chosen is None or isinstance(chosen, str):
        return chosen
    name = chosen.name if isinstance(chosen, _ChosenIn) else chosen.function.name
    return {"type": "function", "function": {"name": name}}


def response_format_of(chat: ChatIn) -> JsonObject | None:
    wanted: _FormatIn | None = _part(_format, chat.response_format, "response_format")
    if wanted is None or wanted.type == "text":
        return None
    if wanted.type == "json_object":
        return {"type": "json_object"}
    if wanted.json_schema is None:
        raise InvalidInput(
            "Missing required parameter: {param}",
            param="response_format.json_schema",
            field="response_format.json_schema",
            code="missing_required_parameter",
        )
    schema: dict[str, Any] = {"name": wanted.json_schema.name, "schema": wanted.json_schema.schema or {}}
    if wanted.json_schema.strict is not None:
        schema["strict"] = wanted.json_schema.strict
    return {"type": "json_schema", "json_schema": schema}


def messages_of(chat: ChatIn) -> list[ChatMessage]:
    """Messages as the house knows them; the older `function` role and `function_call` are mapped."""
    return [_message(message, index) for index, message in enumerate(chat.messages)]


def _message(message: MessageIn, index: int) -> ChatMessage:
    path = f"messages.{index}"
    content: Any = _part(_content, message.content, f"{path}.content")
    calls: list[_ToolCallIn] | None = _part(_tool_calls, message.tool_calls, f"{path}.tool_calls")
    made = tuple(ToolCallRequest(call.id, call.function.name, call.function.arguments) for call in calls or ())
    if not made:
        called: _CalledIn | None = _part(_called, message.function_call, f"{path}.function_call")
        if called is not None:
            made = (ToolCallRequest(f"call_{called.name}", called.name, called.arguments),)
    role = message.role
    tool_call_id = message.tool_call_id
    if role == "function":
        role, tool_call_id = "tool", f"call_{message.name or ''}"
    if role == "tool" and not tool_call_id:
        raise InvalidInput(
            "Missing required parameter: {param}",
            param=f"{path}.tool_call_id",
            field=f"{path}.tool_call_id",
            code="missing_required_parameter",
        )
    if content is None and not made and role != "assistant":
        raise InvalidInput(
            "Invalid value for {param}: expected a string or a list of parts, got null",
            param=f"{path}.content",
            field=f"{path}.content",
        )
    return ChatMessage(role, content, name=message.name, tool_calls=made, tool_call_id=tool_call_id)


def chat_request(chat: ChatIn, model: str) -> ChatRequest:
    """The whole request for a model that does not speak the wire format itself."""
    return ChatRequest(
        model=model,
        messages=tuple(messages_of(chat)),
        sampling=sampling_of(chat),
        tools=tools_of(chat),
        tool_choice=tool_choice_of(chat),
        parallel_tool_calls=chat.parallel_tool_calls,
        response_format=response_format_of(chat),
    )


# ---- the body on its way upstream ----

_MODEL_FIELD = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')
_ESCAPED_LETTER = re.compile(rb"\\u00[4-7]")
_fields = msgspec.json.Decoder(dict[str, Raw])
_encode = msgspec.json.Encoder().encode
_USAGE_FIELD = b'"stream_options":{"include_usage":true},'


def upstream_body(body: bytes, chat: ChatIn, upstream_model: str, *, ask_usage: bool) -> bytes:
    """The client's body with the model's upstream name, byte for byte as it came otherwise.

    `ask_usage`: also ask for the usage chunk, where the client did not say anything about it.
    """
    splice_usage = ask_usage and chat.stream_options is None
    if ask_usage and not splice_usage:
        return _rebuilt(body, upstream_model, ask_usage=True)
    if chat.model != upstream_model:
        match = _MODEL_FIELD.search(body)
        # Only where the field is there once and is the one that was decoded; anything cleverer (a name written with escapes,
        # a second field of the same name) is rebuilt, so that what was checked is what is sent.
        plain = match is not None and body.count(b'"model"') == 1 and not (b"\\u00" in body and _ESCAPED_LETTER.search(body))
        if match is None or not plain or match.group(1) != _encode(chat.model):
            return _rebuilt(body, upstream_model, ask_usage=ask_usage)
        start, end = match.span(1)
        body = body[:start] + _encode(upstream_model) + body[end:]
    if splice_usage:
        brace = body.index(b"{") + 1
        body = body[:brace] + _USAGE_FIELD + body[brace:]
    return body


def _rebuilt(body: bytes, upstream_model: str, *, ask_usage: bool) -> bytes:
    fields = _fields.decode(body)
    fields["model"] = Raw(_encode(upstream_model))
    if ask_usage:
        options = msgspec.json.decode(fields["stream_options"]) if "stream_options" in fields else None
        fields["stream_options"] = Raw(_encode({**(options if isinstance(options, dict) else {}), "include_usage": True}))
    return _encode(fields)
