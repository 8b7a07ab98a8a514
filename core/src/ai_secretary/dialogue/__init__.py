"""One turn: from what a person said to a stream of reply events."""

from ai_secretary.dialogue.events import (
    AnswerSource,
    Button,
    Buttons,
    Final,
    Handoff,
    InvoiceOffer,
    Media,
    ReplyEvent,
    SourceKind,
    TextDelta,
    Timings,
    ToolCall,
)
from ai_secretary.dialogue.stage import Next, Stage
from ai_secretary.dialogue.turn import Overrides, Person, Source, Turn

__all__ = [
    "AnswerSource",
    "Button",
    "Buttons",
    "Final",
    "Handoff",
    "InvoiceOffer",
    "Media",
    "Next",
    "Overrides",
    "Person",
    "ReplyEvent",
    "Source",
    "SourceKind",
    "Stage",
    "TextDelta",
    "Timings",
    "ToolCall",
    "Turn",
]
