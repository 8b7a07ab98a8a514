"""What the journal writes and what conversations return. Plain dataclasses: they are on the hot path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from ai_secretary.ids import new_id
from ai_secretary.llm import Usage
from ai_secretary.storage import now

if TYPE_CHECKING:
    from ai_secretary.access import Principal
    from ai_secretary.audit import AuditEvent

NO_USAGE = Usage()
MessageStatus = Literal["ok", "error", "cancelled"]
UsageKind = Literal["llm", "tts", "stt"]


@dataclass(slots=True, frozen=True)
class MessageSource:
    """Who answered: `kind` as in `dialogue.SourceKind`, `label` for people, `id` for programs."""

    kind: str
    label: str = ""
    id: str = ""


# ---- written ----


@dataclass(slots=True)
class ConversationRecord:
    """A conversation that the exchange begins. Its id is made by the caller, so that nothing needs to be read back."""

    id: str
    source: str
    title: str = ""
    source_id: str | None = None
    owner_id: str | None = None
    person_id: str = ""
    person_name: str = ""
    persona: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class MessageRecord:
    conversation_id: str
    parent_id: str | None
    role: str
    content: str
    id: str = field(default_factory=lambda: new_id("msg"))
    status: MessageStatus = "ok"
    error_code: str | None = None
    source: MessageSource | None = None
    """Who answered; None for what a person said."""
    model: str | None = None
    usage: Usage = NO_USAGE
    timings: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)


@dataclass(slots=True)
class UsageRecord:
    kind: UsageKind
    actor_id: str | None = None
    source: str = ""
    model: str = ""
    units: float = 1.0
    """llm: requests, tts: characters, stt: seconds of audio."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = None
    duration_ms: float = 0.0
    conversation_id: str | None = None
    at: datetime = field(default_factory=now)


@dataclass(slots=True)
class Exchange:
    """What one turn leaves behind, stored as a whole or not at all. The last message becomes the conversation's head."""

    conversation_id: str
    messages: tuple[MessageRecord, ...] = ()
    conversation: ConversationRecord | None = None
    """Given where the conversation may not exist yet."""
    usage: tuple[UsageRecord, ...] = ()
    audit: tuple[AuditEvent, ...] = ()
    title: str = ""
    """Names the conversation if it has no title yet."""


@dataclass(slots=True)
class RawExchange:
    """A request that the gateway passed through, as bytes. Parsed in the journal's thread, off the event loop.

    Requests of a client that sends the whole history each time are recognised and kept as one conversation.
    """

    request: bytes
    """Body of the chat-completions request."""
    response: bytes
    """Body of the answer: JSON, or all server-sent events that came."""
    actor_id: str | None
    """API key or user."""
    model: str
    """Public model id that answered."""
    streamed: bool = False
    status: int = 200
    """HTTP status of the answer."""
    cancelled: bool = False
    """The client went away before the end."""
    actor_name: str = ""
    source: str = "api"
    provider_title: str = ""
    demo: bool = False
    price_prompt: float | None = None
    """US dollars per million tokens."""
    price_completion: float | None = None
    first_token_ms: float | None = None
    total_ms: float = 0.0
    audit: tuple[AuditEvent, ...] = ()
    """Beside the messages; empty: none."""
    audit_of: Callable[[Exchange], AuditEvent] | None = None
    """Makes an event of the parsed exchange, in the journal's thread."""
    at: datetime = field(default_factory=now)


# ---- read ----


@dataclass(slots=True, frozen=True)
class Visibility:
    """Whose conversations a caller may see. Every query takes one, so that none can forget it."""

    owner_id: str | None
    """None: everybody's."""
    shared: bool = False
    """And those of the house (calls, bots, widgets), which have no owner."""

    @classmethod
    def everything(cls) -> Visibility:
        """For the house itself and for administrators."""
        return cls(None, shared=True)

    @classmethod
    def of(cls, principal: Principal) -> Visibility:
        """Administrators see all; other users their own and the house's; an API key only its own."""
        if principal.kind == "system" or (principal.kind == "user" and principal.role == "admin"):
            return cls.everything()
        return cls(principal.id, shared=principal.kind == "user")


@dataclass(slots=True, frozen=True)
class SiblingInfo:
    """Where a message stands among its alternatives (edits of a question, further answers to it), oldest first."""

    index: int
    """From 0."""
    total: int
    ids: tuple[str, ...]


@dataclass(slots=True)
class Message:
    id: str
    conversation_id: str
    parent_id: str | None
    role: str
    content: str
    status: MessageStatus = "ok"
    error_code: str | None = None
    source: MessageSource | None = None
    model: str | None = None
    usage: Usage = NO_USAGE
    timings: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime = field(default_factory=now)
    siblings: SiblingInfo | None = None

    @property
    def edited(self) -> bool:
        """A later wording of something that the person said before."""
        return self.role == "user" and self.siblings is not None and self.siblings.index > 0


@dataclass(slots=True)
class Conversation:
    id: str
    title: str
    source: str
    source_id: str | None
    owner_id: str | None
    person_id: str
    person_name: str
    persona: str | None
    model: str | None
    system_prompt: str | None
    sampling: Mapping[str, Any]
    head_id: str | None
    message_count: int
    last_message: str
    created_at: datetime
    updated_at: datetime
    archived: bool


@dataclass(slots=True)
class Page:
    """One page of a list, newest first."""

    items: list[Conversation]
    next_cursor: str | None
    """Give it back to get the next page; None at the end."""
    total: int


@dataclass(slots=True)
class Group:
    source: str
    count: int
    items: list[Conversation]
    """The newest few; ask `list` with this source for more."""


@dataclass(slots=True)
class Hit:
    """A message that a search found."""

    conversation: Conversation
    message: Message
    snippet: str


@dataclass(slots=True)
class Hits:
    items: list[Hit]
    next_cursor: str | None


@dataclass(slots=True, frozen=True)
class ExportFile:
    filename: str
    media_type: str
    content: str
