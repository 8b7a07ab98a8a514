"""The provider types that come with this plugin. A third party adds its own by the hook `register_provider_types`."""

from __future__ import annotations

from ai_secretary.plugins.provider_types import ProviderType
from ai_secretary_llm_cloud.types.claude import ClaudeType
from ai_secretary_llm_cloud.types.gemini import GeminiType
from ai_secretary_llm_cloud.types.openai_compatible import COMPATIBLE_TYPES


def built_in_types() -> list[ProviderType]:
    """In the order in which an admin is offered them."""
    compatible = {kind.id: kind for kind in COMPATIBLE_TYPES}
    order: list[ProviderType] = [compatible["openai"], GeminiType(), ClaudeType()]
    return order + [compatible[name] for name in ("deepseek", "kimi", "openrouter", "custom")]
