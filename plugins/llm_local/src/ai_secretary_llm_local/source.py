"""The plugin's models as the house knows them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

from ai_secretary.errors import InvalidInput
from ai_secretary.i18n import N_
from ai_secretary.llm import ChatDelta, ChatModel, ChatRequest, EmbeddingResult, ModelInfo, ModelState, RelayResponse
from ai_secretary.openai_wire import OpenAIWireModel, estimate_tokens
from ai_secretary_llm_local.library import LocalModel, ModelLibrary
from ai_secretary_llm_local.pool import ModelPool

PROVIDER_TITLE = N_("This machine")
_STATES: dict[str, ModelState] = {
    "stopped": "idle", "starting": "loading", "ready": "ready", "restarting": "loading", "failed": "unavailable",
}  # fmt: skip


def describe(model: LocalModel, pool: ModelPool) -> ModelInfo:
    """What the house is told of one model, as it is now."""
    loaded = pool.get(model.id)
    state: ModelState = "idle"
    reason = ""
    if model.problem is not None:
        state, reason = "unavailable", model.problem.text
    elif loaded is not None:
        state = _STATES[loaded.process.state]
        reason = loaded.process.failure.message if loaded.process.failure is not None else ""
    template = model.head.chat_template if model.head else ""
    return ModelInfo(
        id=model.id,
        title=model.title,
        provider_title=PROVIDER_TITLE,
        context_window=pool.context_of(model),
        languages=model.languages,
        demo=model.demo,
        local=True,
        supports_tools="tools" in template,
        supports_json_schema=model.kind == "chat",
        state=state,
        reason=reason,
        price_prompt=0.0,
        price_completion=0.0,
        metadata={
            "kind": model.kind,
            "origin": model.origin,
            "file": model.path.name,
            "size": model.size,
            "parameters": model.parameters,
            "quantisation": model.head.quantisation if model.head else "",
            "architecture": model.head.architecture if model.head else "",
        },
    )


class LocalChatModel:
    """One model file as a `ChatModel`, `RelayingChatModel` and, where it is one, `EmbeddingModel`. Loads itself when asked."""

    def __init__(self, model: LocalModel, pool: ModelPool) -> None:
        self._model = model
        self._pool = pool

    @property
    def info(self) -> ModelInfo:
        return describe(self._model, self._pool)

    @property
    def upstream_model(self) -> str:
        # The worker knows the model by its public id, so relayed answers carry the name that the client asked for.
        return self._model.id

    def count_tokens(self, text: str) -> int:
        if self._model.demo:
            # Its vocabulary is English: of other scripts nearly every character is a token.
            other = len(text) - len(text.encode("ascii", "ignore"))
            return estimate_tokens(text) + other // 2
        return estimate_tokens(text)

    async def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        self._check("chat")
        async with self._pool.use(self._model) as loaded:
            wire = OpenAIWireModel(loaded.wire(), self.info, self._model.id)
            async with aclosing(wire.stream(request)) as deltas:  # type: ignore[type-var]  # an async generator
                async for delta in deltas:
                    yield delta

    @asynccontextmanager
    async def relay(self, body: bytes) -> AsyncIterator[RelayResponse]:
        self._check("chat")
        async with self._pool.use(self._model) as loaded:
            wire = OpenAIWireModel(loaded.wire(), self.info, self._model.id)
            async with wire.relay(body) as response:
                yield response

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> EmbeddingResult:
        self._check("embedding")
        async with self._pool.use(self._model) as loaded:
            return await OpenAIWireModel(loaded.wire(), self.info, self._model.id).embed(texts, dimensions=dimensions)

    def _check(self, wanted: str) -> None:
        if self._model.kind == wanted:
            return
        if wanted == "embedding":
            raise InvalidInput(
                "{title} is a model for conversations and makes no embeddings",
                title=self._model.title,
                code="not_an_embedding_model",
                hint="Choose an embedding model.",
                field="model",
            )
        raise InvalidInput(
            "{title} makes embeddings and cannot hold a conversation",
            title=self._model.title,
            code="not_a_chat_model",
            hint="Choose a model for conversations.",
            field="model",
        )


class LocalModelSource:
    """`ChatModelSource` over the library. `on_look` is told that somebody reads the list, so that it can be renewed."""

    id = "local"

    def __init__(self, library: ModelLibrary, pool: ModelPool, *, on_look: Callable[[], None] = lambda: None) -> None:
        self._library = library
        self._pool = pool
        self._on_look = on_look

    def models(self) -> Sequence[ModelInfo]:
        self._on_look()
        return [describe(model, self._pool) for model in self._library.models if model.kind == "chat"]

    def find(self, model_id: str) -> ChatModel | None:
        model = self._library.get(model_id)
        if model is None:
            if model_id.startswith("local/"):
                self._on_look()
            return None
        return LocalChatModel(model, self._pool) if model.kind != "part" else None
