"""Providers that speak OpenAI's wire format: called by the core's own client, without an SDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ai_secretary.i18n import N_
from ai_secretary.llm import ChatModel, ModelInfo
from ai_secretary.openai_wire import Dialect, OpenAIWireModel, Timeouts, WireClient
from ai_secretary.plugins.provider_types import ModelTraits, ProviderConnection


class CompatibleClient:
    """A live client of one OpenAI-compatible provider."""

    def __init__(self, wire: WireClient) -> None:
        self._wire = wire

    def model(self, info: ModelInfo, name: str) -> ChatModel:
        return OpenAIWireModel(self._wire, info, name)

    async def list_models(self) -> Sequence[str]:
        return await self._wire.list_models()

    async def close(self) -> None:
        await self._wire.close()


@dataclass(slots=True, frozen=True)
class CompatibleType:
    """A kind of provider that differs from the others by its address and habits only."""

    id: str
    title: str
    default_base_url: str = ""
    default_models: tuple[str, ...] = ()
    requires_base_url: bool = False
    requires_key: bool = True
    key_url: str = ""
    dialect: Dialect = field(default_factory=Dialect)
    headers: tuple[tuple[str, str], ...] = ()
    default_traits: ModelTraits = field(default_factory=ModelTraits)
    known: tuple[tuple[str, ModelTraits], ...] = ()
    """Traits by the beginning of a model's name; the first match counts."""

    def traits(self, model: str) -> ModelTraits:
        return next((traits for prefix, traits in self.known if model.startswith(prefix)), self.default_traits)

    def connect(self, connection: ProviderConnection) -> CompatibleClient:
        base_url = connection.base_url or self.default_base_url
        if self.id == "custom" and not urlsplit(base_url).path.strip("/"):
            # vLLM, llama.cpp and Ollama all serve the API below /v1, and people paste the bare address.
            base_url = base_url.rstrip("/") + "/v1"
        dialect = self.dialect
        if connection.extra.get("stream_usage") is False:
            dialect = Dialect(dialect.max_tokens_field, dialect.repetition_penalty, False, dialect.developer_role)
        return CompatibleClient(
            WireClient(
                base_url,
                connection.api_key,
                title=connection.title,
                timeouts=Timeouts(connect=10.0, read=connection.timeout_s),
                proxies=connection.proxies,
                headers=dict(self.headers),
                dialect=dialect,
            )
        )


_FULL = ModelTraits(128_000, supports_tools=True, supports_json_schema=True, supports_images=True)

COMPATIBLE_TYPES: tuple[CompatibleType, ...] = (
    CompatibleType(
        "openai",
        "OpenAI",
        "https://api.openai.com/v1",
        ("gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.4", "gpt-6.2-sol"),
        key_url="https://platform.openai.com/api-keys",
        dialect=Dialect(max_tokens_field="max_completion_tokens", developer_role=True),
        default_traits=_FULL,
        known=(
            ("gpt-3.5", ModelTraits(16_385, supports_tools=True)),
            ("gpt-4.1", ModelTraits(1_000_000, True, True, True)),
            ("gpt-5", ModelTraits(400_000, True, True, True)),
            ("gpt-6", ModelTraits(400_000, True, True, True)),
        ),
    ),
    CompatibleType(
        "deepseek",
        "DeepSeek",
        "https://api.deepseek.com/v1",
        ("deepseek-chat", "deepseek-reasoner"),
        key_url="https://platform.deepseek.com/api_keys",
        default_traits=ModelTraits(128_000, supports_tools=True),
    ),
    CompatibleType(
        "kimi",
        "Kimi (Moonshot)",
        "https://api.moonshot.ai/v1",
        ("kimi-k2-turbo-preview", "kimi-k2-0905-preview", "moonshot-v1-8k"),
        key_url="https://platform.moonshot.ai/console/api-keys",
        default_traits=ModelTraits(256_000, supports_tools=True, supports_json_schema=True),
        known=(
            ("moonshot-v1-8k", ModelTraits(8_192, supports_tools=True)),
            ("moonshot-v1-32k", ModelTraits(32_768, supports_tools=True)),
            ("moonshot-v1-128k", ModelTraits(131_072, supports_tools=True)),
        ),
    ),
    CompatibleType(
        "openrouter",
        "OpenRouter",
        "https://openrouter.ai/api/v1",
        ("openai/gpt-5.4-mini", "google/gemini-2.5-flash", "deepseek/deepseek-chat"),
        key_url="https://openrouter.ai/keys",
        dialect=Dialect(repetition_penalty=True),
        headers=(("x-title", "AI Secretary"),),
        default_traits=_FULL,
    ),
    CompatibleType(
        "custom",
        N_("OpenAI-compatible server"),
        requires_base_url=True,
        requires_key=False,
        dialect=Dialect(repetition_penalty=True),
        default_traits=ModelTraits(32_768, supports_tools=True, supports_json_schema=True),
    ),
)
