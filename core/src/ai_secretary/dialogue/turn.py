"""What a channel hands to the core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ai_secretary.channels import Capabilities
from ai_secretary.llm import ChatMessage, JsonObject, Sampling

_TEXT_ONLY = Capabilities()
Source = Literal["admin", "api", "telegram", "widget", "phone", "test"]
"""Where a conversation takes place; further channels name themselves."""


@dataclass(slots=True, frozen=True)
class Person:
    """Who is talking. `id` is unique inside its source (a Telegram id, a phone number, an API key id)."""

    id: str
    name: str = ""
    language: str | None = None
    """ISO 639-1, where the channel knows it."""
    timezone: str | None = None
    """IANA name, where the channel knows it; otherwise the installation's."""


@dataclass(slots=True, frozen=True)
class Overrides:
    """What this turn asks for instead of the defaults. None: the conversation's, the channel's, the system's, in that order."""

    model: str | None = None
    """Public model id, `provider/model`."""
    persona: str | None = None
    system_prompt: str | None = None
    """Replaces the persona's prompt."""
    sampling: Sampling | None = None
    tools: tuple[JsonObject, ...] = ()
    tool_choice: str | JsonObject | None = None
    response_format: JsonObject | None = None
    fallbacks: tuple[str, ...] | None = None
    """Models to ask next; None: the system's order, (): none."""


@dataclass(slots=True)
class Turn:
    """One utterance of a person and all that is needed to answer it. Stages may read and replace its fields."""

    conversation_id: str
    text: str
    """The last thing the person said."""
    source: str
    person: Person
    capabilities: Capabilities = _TEXT_ONLY
    history: tuple[ChatMessage, ...] = ()
    """Earlier messages, oldest first, without the system prompt and without `text`."""
    following: tuple[ChatMessage, ...] = ()
    """What came after `text` already: calls of the client's tools and their results. The model goes on from there."""
    overrides: Overrides = Overrides()
    language: str = "en"
    """ISO 639-1 of this utterance, as detected."""
    timezone: str = "UTC"
    """IANA name: the person's, or the installation's."""
    instructions: tuple[str, ...] = ()
    """Further system instructions, added by stages (knowledge, a whispered hint)."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Channel's own facts; not interpreted by the core."""
