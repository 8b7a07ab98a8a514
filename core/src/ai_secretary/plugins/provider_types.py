"""Contract of a cloud provider type, shared by the cloud plugin and third parties that add a type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ai_secretary.llm import ChatModel, ModelInfo


@dataclass(slots=True, frozen=True)
class ProviderConnection:
    """One connected provider as the admin entered it."""

    id: str
    """Slug, prefix of its model ids."""
    title: str
    base_url: str
    api_key: str
    model: str
    """Default model name at the provider."""
    timeout_s: float = 60.0
    """Between two bytes of an answer; the first token may take as long."""
    proxies: tuple[str, ...] = ()
    """Outgoing proxy URLs, tried in order."""
    extra: dict[str, str | int | float | bool] = field(default_factory=dict)
    price_prompt: float | None = None
    price_completion: float | None = None


class ProviderClient(Protocol):
    """A live client of one provider; owns its connections."""

    def model(self, info: ModelInfo, name: str) -> ChatModel: ...

    async def list_models(self) -> Sequence[str]:
        """Model names that this key may use. Raises `errors.ProviderError` as `ChatModel.stream` does."""
        ...

    async def close(self) -> None: ...


class ProviderType(Protocol):
    """A kind of provider: how to call it and what to ask the admin."""

    @property
    def id(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def default_base_url(self) -> str: ...

    @property
    def default_models(self) -> Sequence[str]: ...

    @property
    def requires_base_url(self) -> bool: ...

    @property
    def requires_key(self) -> bool: ...

    @property
    def key_url(self) -> str:
        """Where a person gets a key, or empty."""
        ...

    def connect(self, connection: ProviderConnection) -> ProviderClient:
        """Cheap and without I/O: heavy libraries load at the first request."""
        ...


@dataclass(slots=True, frozen=True)
class ModelTraits:
    """What is known of a model by its name, before it is asked. `context_window` in tokens."""

    context_window: int = 32_768
    supports_tools: bool = False
    supports_json_schema: bool = False
    supports_images: bool = False


@runtime_checkable
class DescribesModels(Protocol):
    """A `ProviderType` that knows the traits of its models; of the others' the defaults of `ModelTraits` are assumed."""

    def traits(self, model: str) -> ModelTraits: ...
