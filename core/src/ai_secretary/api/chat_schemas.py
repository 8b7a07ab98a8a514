"""What `/admin/chat` takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from ai_secretary.conversations import Conversation, ConversationChanges, Hit, Message
from ai_secretary.dialogue import Overrides
from ai_secretary.dialogue.parameters import parse_sampling

MOST_TEXT = 200_000
MOST_PROMPT = 50_000


class SessionReply(BaseModel):
    """A conversation without its messages."""

    id: str
    title: str
    source: str
    source_id: str | None
    owner_id: str | None
    person_name: str
    persona: str | None
    model: str | None
    system_prompt: str | None
    sampling: dict[str, Any]
    message_count: int
    last_message: str = Field(description="The first 100 characters of the last message")
    created: datetime
    updated: datetime
    archived: bool

    @classmethod
    def of(cls, conversation: Conversation) -> SessionReply:
        return cls(
            id=conversation.id,
            title=conversation.title,
            source=conversation.source,
            source_id=conversation.source_id,
            owner_id=conversation.owner_id,
            person_name=conversation.person_name,
            persona=conversation.persona,
            model=conversation.model,
            system_prompt=conversation.system_prompt,
            sampling=dict(conversation.sampling),
            message_count=conversation.message_count,
            last_message=conversation.last_message,
            created=conversation.created_at,
            updated=conversation.updated_at,
            archived=conversation.archived,
        )


class Siblings(BaseModel):
    index: int = Field(description="From 0, oldest first")
    total: int
    ids: list[str]


class AnsweredBy(BaseModel):
    kind: str = Field(description="faq, flow, model, demo_model, person or phrase")
    label: str
    id: str


class MessageReply(BaseModel):
    id: str
    parent_id: str | None
    role: str
    content: str
    status: str = Field(description="ok, error or cancelled")
    error_code: str | None
    source: AnsweredBy | None
    model: str | None
    prompt_tokens: int
    completion_tokens: int
    timings: dict[str, Any]
    details: dict[str, Any]
    timestamp: datetime
    edited: bool
    siblings: Siblings | None

    @classmethod
    def of(cls, message: Message) -> MessageReply:
        source, siblings = message.source, message.siblings
        return cls(
            id=message.id,
            parent_id=message.parent_id,
            role=message.role,
            content=message.content,
            status=message.status,
            error_code=message.error_code,
            source=AnsweredBy(kind=source.kind, label=source.label, id=source.id) if source else None,
            model=message.model,
            prompt_tokens=message.usage.prompt_tokens,
            completion_tokens=message.usage.completion_tokens,
            timings=dict(message.timings),
            details=dict(message.details),
            timestamp=message.created_at,
            edited=message.edited,
            siblings=Siblings(index=siblings.index, total=siblings.total, ids=list(siblings.ids)) if siblings else None,
        )


class SessionDetail(BaseModel):
    session: SessionReply
    messages: list[MessageReply] = Field(description="The active branch, oldest first")


class SessionsReply(BaseModel):
    sessions: list[SessionReply]
    next_cursor: str | None = None
    total: int


class SessionGroup(BaseModel):
    source: str
    count: int
    sessions: list[SessionReply] = Field(description="The newest ones; ask with ?source= for more")


class GroupedSessionsReply(BaseModel):
    groups: list[SessionGroup]
    total: int


class HitReply(BaseModel):
    session: SessionReply
    message: MessageReply
    snippet: str

    @classmethod
    def of(cls, hit: Hit) -> HitReply:
        return cls(session=SessionReply.of(hit.conversation), message=MessageReply.of(hit.message), snippet=hit.snippet)


class HitsReply(BaseModel):
    hits: list[HitReply]
    next_cursor: str | None = None


class Parameters(BaseModel):
    """Sampling parameters; absent ones come from the persona. Ranges: `GET /admin/llm/params`."""

    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None


class NewSession(BaseModel):
    title: str | None = Field(None, max_length=500)
    source: str = Field("admin", pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    source_id: str | None = Field(None, max_length=100)
    persona: str | None = Field(None, max_length=60)
    model: str | None = Field(None, max_length=200)
    system_prompt: str | None = Field(None, max_length=MOST_PROMPT)
    sampling: Parameters | None = None


class SessionChange(BaseModel):
    """Absent fields stay as they are; null clears a field."""

    title: str | None = Field(None, max_length=500)
    persona: str | None = Field(None, max_length=60)
    model: str | None = Field(None, max_length=200)
    system_prompt: str | None = Field(None, max_length=MOST_PROMPT)
    sampling: Parameters | None = None
    archived: bool = False

    def changes(self) -> ConversationChanges:
        found = ConversationChanges()
        for name in self.model_fields_set:
            value = getattr(self, name)
            if name == "sampling" and value is not None:
                value = checked(value)
            found[name] = value  # type: ignore[literal-required]  # names of this model's fields
        return found


class BulkDelete(BaseModel):
    session_ids: list[str] = Field(min_length=1, max_length=1000)


class BulkDeleted(BaseModel):
    deleted: int
    ids: list[str]


class Override(BaseModel):
    """For this message only. `llm_backend`, `llm_params` are the older names."""

    model: str | None = Field(None, max_length=200)
    llm_backend: str | None = Field(None, max_length=200)
    persona: str | None = Field(None, max_length=60)
    system_prompt: str | None = Field(None, max_length=MOST_PROMPT)
    sampling: Parameters | None = None
    llm_params: Parameters | None = None

    def to_overrides(self) -> Overrides:
        sampling = self.sampling or self.llm_params
        return Overrides(
            model=self.model or self.llm_backend,
            persona=self.persona,
            system_prompt=self.system_prompt,
            sampling=parse_sampling(checked(sampling)).to_sampling() if sampling else None,
        )


class NewMessage(BaseModel):
    content: str = Field(max_length=MOST_TEXT)
    llm_override: Override | None = None
    parent_id: str | None = Field(None, max_length=64, description="Go on from this message; default: the active branch")


class EditMessage(BaseModel):
    content: str = Field(max_length=MOST_TEXT)
    llm_override: Override | None = None
    stream: bool = Field(False, description="Answer with server-sent events")


class Regenerate(BaseModel):
    llm_override: Override | None = None
    stream: bool = Field(False, description="Answer with server-sent events")


class ExchangeReply(BaseModel):
    message: MessageReply = Field(description="What the person said")
    response: MessageReply


class DeletedMessages(BaseModel):
    deleted: int


class Done(BaseModel):
    status: Literal["ok"] = "ok"


def checked(parameters: Parameters) -> dict[str, Any]:
    """The given parameters, in their ranges. Raises `InvalidInput`."""
    given = parameters.model_dump(exclude_none=True)
    return parse_sampling(given, where="sampling.").model_dump(exclude_none=True)
