"""What a provider of language models implements."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ai_secretary.llm.types import ChatDelta, ChatRequest, EmbeddingResult, ModelInfo


class ChatModel(Protocol):
    """One model, ready to be asked. Resolved once per reply, never per token."""

    @property
    def info(self) -> ModelInfo: ...

    def stream(self, request: ChatRequest) -> AsyncIterator[ChatDelta]:
        """Stream a reply. Closing the iterator cancels the generation and frees its slot within a second.

        Raises `errors.ProviderError` (or a subclass) with a code: `key_refused`, `out_of_funds`, `rate_limited`,
        `model_not_found`, `context_length_exceeded`, `unreachable`, `provider_timeout`, `bad_reply`.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens in `text`, exactly or by a cautious estimate; cheap enough to call per message."""
        ...


@dataclass(slots=True)
class RelayResponse:
    """An upstream answer in the OpenAI wire format, passed through as bytes."""

    status: int
    headers: Mapping[str, str]
    """Lower-case names; at least `content-type`; `retry-after` where upstream sent it."""
    chunks: AsyncIterator[bytes]


@runtime_checkable
class RelayingChatModel(Protocol):
    """A `ChatModel` that speaks the OpenAI wire format: the gateway passes its bytes through untouched."""

    @property
    def upstream_model(self) -> str:
        """The model name that upstream expects in the body."""
        ...

    def relay(self, body: bytes) -> AbstractAsyncContextManager[RelayResponse]:
        """POST `body` (a complete chat-completions request) upstream. Leaving the context closes the upstream request."""
        ...


@runtime_checkable
class EmbeddingModel(Protocol):
    """A model that can also embed texts."""

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> EmbeddingResult: ...


class ChatModelSource(Protocol):
    """A provider's catalogue. A plugin registers one source; what it lists may change at any time."""

    @property
    def id(self) -> str:
        """Prefix of its model ids, or the plugin's own name where it serves several providers."""
        ...

    def models(self) -> Sequence[ModelInfo]:
        """A snapshot, without I/O."""
        ...

    def find(self, model_id: str) -> ChatModel | None:
        """The model with this public id (`provider/model`), or None if it is not this source's."""
        ...
