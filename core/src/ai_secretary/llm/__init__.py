"""Contracts of language models: protocols and value types, no I/O."""

from ai_secretary.llm.protocols import ChatModel, ChatModelSource, EmbeddingModel, RelayingChatModel, RelayResponse
from ai_secretary.llm.types import (
    ChatDelta,
    ChatMessage,
    ChatRequest,
    EmbeddingResult,
    FinishReason,
    JsonObject,
    ModelInfo,
    ModelState,
    Role,
    Sampling,
    ToolCallDelta,
    ToolCallRequest,
    Usage,
)

__all__ = [
    "ChatDelta",
    "ChatMessage",
    "ChatModel",
    "ChatModelSource",
    "ChatRequest",
    "EmbeddingModel",
    "EmbeddingResult",
    "FinishReason",
    "JsonObject",
    "ModelInfo",
    "ModelState",
    "RelayResponse",
    "RelayingChatModel",
    "Role",
    "Sampling",
    "ToolCallDelta",
    "ToolCallRequest",
    "Usage",
]
