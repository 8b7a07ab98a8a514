"""The gateway in front of FastAPI, under a real uvicorn, with models that are a local server and a small class."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import openai
import pytest
import uvicorn
from fastapi import FastAPI

from ai_secretary.access import KeyChange
from ai_secretary.api import v1
from ai_secretary.api.middleware import HttpLayer
from ai_secretary.api.problems import install_problems
from ai_secretary.app.application import Application
from ai_secretary.config import Settings
from ai_secretary.dialogue.preferences import DialoguePreferences
from ai_secretary.llm import (
    ChatDelta,
    ChatModel,
    ChatRequest,
    EmbeddingResult,
    ModelInfo,
    ToolCallDelta,
    Usage,
)
from ai_secretary.openai_wire import OpenAIWireModel, Timeouts, WireClient
from ai_secretary.storage import Base
from ai_secretary.storage.migrations import create_schema_for_tests
from ai_secretary.testing.model_server import ModelServer

KEY = "sk-test-0123456789"


class PlainModel:
    """A model that does not speak the wire format: answers with the words of `script`, `pause` seconds apart."""

    def __init__(self, info: ModelInfo) -> None:
        self._info = info
        self.script: list[ChatDelta | Exception] = [ChatDelta("Plain "), ChatDelta("answer."), END]
        self.pause = 0.0
        self.requests: list[ChatRequest] = []
        self.closed = asyncio.Event()
        """Set when a stream was closed before its end."""

    @property
    def info(self) -> ModelInfo:
        return self._info

    def count_tokens(self, text: str) -> int:
        return len(text) // 4 + 1

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self.requests.append(request)
        done = False
        try:
            for item in self.script:
                await asyncio.sleep(self.pause)
                if isinstance(item, Exception):
                    raise item
                yield item
            done = True
        finally:
            if not done:
                self.closed.set()

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> EmbeddingResult:
        return EmbeddingResult([[0.5, -0.25, float(len(text))] for text in texts], Usage(prompt_tokens=4))


END = ChatDelta(finish_reason="stop", usage=Usage(5, 2))
TOOL = [
    ChatDelta(tool_calls=(ToolCallDelta(0, "call_1", "clock", ""),)),
    ChatDelta(tool_calls=(ToolCallDelta(0, arguments='{"zone":"UTC"}'),)),
    ChatDelta(finish_reason="tool_calls", usage=Usage(5, 2)),
]


class Models:
    """A source of both kinds."""

    id = "tests"

    def __init__(self, wire: OpenAIWireModel, plain: PlainModel, simple: PlainModel) -> None:
        self._models: dict[str, ChatModel] = {model.info.id: model for model in (wire, plain, simple)}

    def models(self) -> list[ModelInfo]:
        return [model.info for model in self._models.values()]

    def find(self, model_id: str) -> ChatModel | None:
        return self._models.get(model_id)


@dataclass
class House:
    application: Application
    upstream: ModelServer
    plain: PlainModel
    simple: PlainModel
    gateway: v1.Gateway
    url: str = ""
    clients: list[Any] = field(default_factory=list)

    def client(self, key: str = KEY, **options: Any) -> openai.AsyncOpenAI:
        made = openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, **options)
        self.clients.append(made)
        return made

    async def key(self, **change: Any) -> str:
        """Another API key."""
        return (await self.application.access.keys.create(KeyChange("other", **change))).raw

    async def rows(self, sql: str) -> list[Any]:
        """Rows after everything that was recorded is stored."""
        from sqlalchemy import text

        await self.application.journal.flush()
        async with self.application.database.session() as session:
            return list((await session.execute(text(sql))).mappings())


async def open_rooms(settings: Settings) -> Application:
    application = Application(settings)
    await create_schema_for_tests(application.database, Base.metadata)
    await application.preferences.load()
    application.journal.start()
    await application.access.load()
    await application.access.bootstrap(settings)
    await application.personas.load()
    return application


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="critical", lifespan="off", http="httptools"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        if task.done():
            task.result()
        await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task


@pytest.fixture
async def house(settings: Settings) -> AsyncIterator[House]:
    from pydantic import SecretStr

    settings.api_key = SecretStr(KEY)
    settings.admin_password = SecretStr("correct horse battery")
    settings.max_body_mb = 1
    application = await open_rooms(settings)
    async with ModelServer().serve() as upstream:
        client = WireClient(upstream.url, "sk-upstream-0123456789", title="Test cloud", timeouts=Timeouts(2, 3))
        wire = OpenAIWireModel(
            client,
            ModelInfo(
                "cloud/org/model:1", "Model", "Test cloud", 8192, supports_tools=True, price_prompt=1.0, price_completion=2.0
            ),
            "test-model",
        )
        plain = PlainModel(ModelInfo("plain/one", "Plain", "Local", 4096, supports_tools=True, supports_json_schema=True))
        simple = PlainModel(ModelInfo("plain/simple", "Simple", "Local", 4096))
        application.registries.add_chat_source("tests", Models(wire, plain, simple))
        await application.preferences.set(
            "dialogue", DialoguePreferences(model="plain/one", fallbacks=("cloud/org/model:1",), retries=0)
        )
        gateway = v1.Gateway(application)
        app = FastAPI()
        app.state.secretary = application
        install_problems(app)
        app.include_router(v1.build_router(application))

        async def front(scope: Any, receive: Any, send: Any) -> None:
            await (gateway if gateway.handles(scope) else app)(scope, receive, send)

        made = House(application, upstream, plain, simple, gateway)
        async with serving(HttpLayer(front, settings, application.metrics)) as made.url:
            yield made
            for sdk in made.clients:
                await sdk.close()
        await client.close()
    await application.close()
