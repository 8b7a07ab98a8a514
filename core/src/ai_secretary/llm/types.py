"""Values that cross the border between the dialogue and a language model. The shapes follow the OpenAI chat format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]
ModelState = Literal["ready", "loading", "idle", "unavailable"]
"""`idle`: not loaded, loads itself at the first request. `unavailable`: `ModelInfo.reason` says why."""

JsonObject = Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class ToolCallRequest:
    """A finished tool call of the assistant; `arguments` is a JSON string as the model wrote it."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True, frozen=True)
class ChatMessage:
    """`content` is text, or a list of OpenAI content parts (text, image_url, input_audio), or None beside tool calls."""

    role: Role
    content: str | list[JsonObject] | None
    name: str | None = None
    tool_calls: tuple[ToolCallRequest, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text of the message, content parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(str(part.get("text", "")) for part in self.content or () if part.get("type") == "text")


@dataclass(slots=True, frozen=True)
class Sampling:
    """None means: the model's own default. Ranges are checked where the values enter (see `dialogue.parameters`)."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(slots=True, frozen=True)
class ChatRequest:
    """One request to one model. `model` is the id inside its provider (without the provider's prefix)."""

    model: str
    messages: tuple[ChatMessage, ...]
    sampling: Sampling = Sampling()
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject | None = None
    parallel_tool_calls: bool | None = None
    response_format: JsonObject | None = None


@dataclass(slots=True, frozen=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    """None when the price is unknown (a local model costs 0.0)."""

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True, frozen=True)
class ToolCallDelta:
    """A piece of a tool call: `id` and `name` come with the first piece of an `index`, `arguments` grow piece by piece."""

    index: int
    id: str | None = None
    name: str | None = None
    arguments: str = ""


@dataclass(slots=True, frozen=True)
class ChatDelta:
    """One step of a streamed reply. The last one carries `finish_reason` and `usage`."""

    text: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


@dataclass(slots=True, frozen=True)
class ModelInfo:
    """What a provider says of one of its models."""

    id: str
    """Public id, `provider/model`; unique over the installation."""
    title: str
    provider_title: str
    context_window: int
    """Tokens, prompt and reply together."""
    languages: frozenset[str] | None = None
    """ISO 639-1 codes that the model speaks well; None: any."""
    demo: bool = False
    """A demonstration model: the interface says so plainly."""
    local: bool = False
    """Runs on this machine: nothing leaves it."""
    supports_tools: bool = False
    supports_json_schema: bool = False
    supports_images: bool = False
    state: ModelState = "ready"
    reason: str = ""
    """Why the model is unavailable or what it is doing, in English, translatable by the owning plugin."""
    price_prompt: float | None = None
    """US dollars per million tokens."""
    price_completion: float | None = None
    description: str = ""
    metadata: JsonObject = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class EmbeddingResult:
    vectors: list[list[float]]
    usage: Usage
