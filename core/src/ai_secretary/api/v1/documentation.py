"""The gateway's paths in the OpenAPI document. Each also works as a route, for an application without the raw path in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from ai_secretary.api.problems import OpenAIError
from ai_secretary.api.security import require
from ai_secretary.api.v1 import audio
from ai_secretary.api.v1.gateway import Gateway

if TYPE_CHECKING:
    from ai_secretary.app import Application


class ChatMessageBody(BaseModel):
    model_config = ConfigDict(extra="allow")

    role: str = Field(description="system, developer, user, assistant or tool")
    content: str | list[dict[str, Any]] | None = Field(None, description="Text, or a list of content parts")
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None


class ChatCompletionBody(BaseModel):
    """As at OpenAI; unknown fields are passed on to the provider, or skipped."""

    model_config = ConfigDict(extra="allow")

    model: str = Field(
        description="A persona (`secretary`, …): the whole pipeline. `provider/model`: that model and nothing else"
    )
    messages: list[ChatMessageBody] = Field(min_length=1)
    stream: bool = False
    stream_options: dict[str, Any] | None = Field(None, description='`{"include_usage": true}` adds a last chunk with the usage')
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    user: str | None = Field(None, description="Keeps the conversations of your own users apart")
    metadata: dict[str, Any] | None = Field(
        None, description="`conversation_id` names the conversation that the exchange is kept in"
    )


class EmbeddingsBody(BaseModel):
    model_config = ConfigDict(extra="allow")

    model: str
    input: str | list[str]
    encoding_format: str | None = Field(None, description="`float` or `base64` (little-endian float32)")
    dimensions: int | None = Field(None, ge=1)


class ModelBody(BaseModel):
    id: str
    object: str = "model"
    created: int
    owned_by: str
    description: str | None = None
    context_window: int | None = None


class ModelListBody(BaseModel):
    object: str = "list"
    data: list[ModelBody]


_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": OpenAIError, "description": description}
    for status, description in (
        (400, "The request is not valid; `param` names the field"),
        (401, "No key, or a wrong one"),
        (403, "The key lacks the scope"),
        (404, "There is no such model"),
        (413, "The body is too large"),
        (429, "Too many requests, or the quota is spent; see Retry-After"),
        (502, "The provider failed"),
        (504, "The provider did not answer in time"),
    )
}
_CHAT_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A chat completion; with `stream`, server-sent chunks that end with `data: [DONE]`",
        "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}},
    }
}


class _Handed(Response):
    """Hands the request to the gateway, which writes its own answer."""

    def __init__(self, gateway: Gateway) -> None:
        super().__init__()
        self._gateway = gateway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gateway(scope, receive, send)


def _body(model: type[BaseModel]) -> dict[str, Any]:
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    inner = schema.pop("$defs", {})
    for name, definition in inner.items():
        if name == "ChatMessageBody":
            schema["properties"]["messages"]["items"] = definition
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def build_router(application: Application, gateway: Gateway | None = None) -> APIRouter:
    router = APIRouter(prefix="/v1", tags=["openai"], responses=_ERRORS)
    handler = gateway or Gateway(application)

    async def handed(request: Request) -> Response:
        return _Handed(handler)

    router.add_api_route(
        "/chat/completions",
        handed,
        methods=["POST"],
        summary="Answer a conversation",
        dependencies=[Depends(require("v1:chat"))],
        responses=_CHAT_ANSWER,
        openapi_extra=_body(ChatCompletionBody),
        operation_id="v1_chat_completions",
    )
    router.add_api_route(
        "/embeddings",
        handed,
        methods=["POST"],
        summary="Embed texts",
        dependencies=[Depends(require("v1:embeddings"))],
        openapi_extra=_body(EmbeddingsBody),
        operation_id="v1_embeddings",
    )
    for path, summary, operation, reply in (
        ("/models", "List personas and models", "v1_models", ModelListBody),
        ("/models/{model_id:path}", "One model", "v1_model", ModelBody),
    ):
        router.add_api_route(
            path,
            handed,
            methods=["GET"],
            summary=summary,
            dependencies=[Depends(require("v1:models"))],
            responses={200: {"model": reply}},
            operation_id=operation,
        )
    everything = APIRouter()
    everything.include_router(router)
    everything.include_router(audio.build_router(application))
    return everything
