"""What a reply consists of. Channels render these; stages yield them; the last one is always `Final`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ai_secretary.llm import FinishReason, ToolCallRequest, Usage

_NO_USAGE = Usage()
SourceKind = Literal["faq", "flow", "model", "demo_model", "person", "phrase"]


@dataclass(slots=True, frozen=True)
class TextDelta:
    """A piece of text, to be shown or spoken as it comes."""

    text: str


@dataclass(slots=True, frozen=True)
class Button:
    """`value` comes back as the person's next utterance (or as a callback where the channel has them)."""

    label: str
    value: str
    url: str | None = None


@dataclass(slots=True, frozen=True)
class Buttons:
    buttons: tuple[Button, ...]


@dataclass(slots=True, frozen=True)
class Media:
    """A file to send; `path` is inside the data folder."""

    path: str
    media_type: str
    caption: str = ""


@dataclass(slots=True, frozen=True)
class InvoiceOffer:
    """A payment to offer; `amount` in the currency's minor units (kopecks, cents, stars)."""

    title: str
    description: str
    amount: int
    currency: str
    payload: str


@dataclass(slots=True, frozen=True)
class Handoff:
    """The conversation goes to a human; `reason` is for the operator."""

    reason: str


@dataclass(slots=True, frozen=True)
class ToolCall:
    """The model asks the client to run a tool (only where the client brought tools of its own)."""

    call: ToolCallRequest
    index: int = 0


@dataclass(slots=True, frozen=True)
class Timings:
    """Milliseconds since the turn began; `stages` is the time per part of the ribbon (vad, stt, llm, tts, rule)."""

    first_token_ms: float | None = None
    total_ms: float = 0.0
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class AnswerSource:
    """Who answered. `label` names it for people (`Working hours`), `id` for programs (a model id, a FAQ entry id)."""

    kind: SourceKind
    label: str = ""
    id: str = ""


@dataclass(slots=True, frozen=True)
class Final:
    """The end of a reply."""

    source: AnswerSource
    usage: Usage = _NO_USAGE
    timings: Timings = Timings()
    finish_reason: FinishReason = "stop"
    details: Mapping[str, Any] = field(default_factory=dict)
    """For instance `{"trimmed": 12}` messages left out of the context, `{"fallback_from": "openai/gpt"}`."""


ReplyEvent = TextDelta | Buttons | Media | InvoiceOffer | Handoff | ToolCall | Final
