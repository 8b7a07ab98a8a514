"""Tables of conversations, their messages, and what was used.

A conversation's messages are a tree: `parent_id` points at the message that a message answers or follows, edit and regenerate
make siblings, and `Conversation.head_id` is the leaf of the branch that is shown and continued.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Boolean, Float, ForeignKey, Index, Integer, String, Text, types
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import Mapped, mapped_column

from ai_secretary.storage import Base, BigId, UtcDateTime, now

TITLE_LENGTH = 200
PREVIEW_LENGTH = 100
"""Characters of the last message that a list shows."""

encode_json = msgspec.json.Encoder(enc_hook=str).encode
_decode = msgspec.json.Decoder().decode


class JsonText(types.TypeDecorator[Any]):
    """JSON in a text column: alike on SQLite and PostgreSQL, and cheap in the journal. An empty object is stored as NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        return encode_json(value).decode() if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Any:
        return _decode(value) if value else {}


class ConversationRow(Base):
    __tablename__ = "conversations"
    __table_args__ = (
        Index("ix_conversations_list", "archived", "updated_at", "id"),
        Index("ix_conversations_source", "source", "source_id", "person_id"),
    )

    id: Mapped[str] = mapped_column(String(48), primary_key=True)
    title: Mapped[str] = mapped_column(String(TITLE_LENGTH), default="")
    """Empty until the first message names it."""
    folded: Mapped[str] = mapped_column(String(500), default="")
    """Title and person as `folding.fold` makes them, for search."""
    source: Mapped[str] = mapped_column(String(32))
    source_id: Mapped[str | None] = mapped_column(String(100))
    """The channel's instance (a bot, a widget) or another name inside the source."""
    owner_id: Mapped[str | None] = mapped_column(String(64), index=True)
    """User or API key whose conversation it is; NULL: the house's (calls, bots, widgets)."""
    person_id: Mapped[str] = mapped_column(String(100), default="")
    person_name: Mapped[str] = mapped_column(String(200), default="")
    persona: Mapped[str | None] = mapped_column(String(40))
    model: Mapped[str | None] = mapped_column(String(200))
    system_prompt: Mapped[str | None] = mapped_column(Text)
    sampling: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict, nullable=True)
    head_id: Mapped[str | None] = mapped_column(String(48))
    message_count: Mapped[int] = mapped_column(Integer, default=0)
    """Messages of all branches."""
    last_message: Mapped[str] = mapped_column(String(PREVIEW_LENGTH), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    archived: Mapped[bool] = mapped_column(Boolean, default=False)


class MessageRow(Base):
    __tablename__ = "messages"
    __table_args__ = (Index("ix_messages_tree", "conversation_id", "parent_id"),)

    number: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    """Order of arrival. An integer key, because SQLite may renumber other rows and the search index refers to it."""
    id: Mapped[str] = mapped_column(String(48), unique=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("messages.id"), index=True)
    """No cascade here: SQLite would recurse once per message of a long conversation. Subtrees are deleted in one statement."""
    role: Mapped[str] = mapped_column(String(16))
    content: Mapped[str] = mapped_column(Text)
    folded: Mapped[str] = mapped_column(Text, default="")
    """The beginning of the content as `folding.fold` makes it; the search index is built on it."""
    status: Mapped[str] = mapped_column(String(16), default="ok")
    error_code: Mapped[str | None] = mapped_column(String(64))
    source_kind: Mapped[str | None] = mapped_column(String(16))
    source_label: Mapped[str] = mapped_column(String(300), default="")
    source_id: Mapped[str] = mapped_column(String(200), default="")
    model: Mapped[str | None] = mapped_column(String(200))
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    completion_tokens: Mapped[int] = mapped_column(Integer, default=0)
    timings: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict, nullable=True)
    details: Mapped[dict[str, Any]] = mapped_column(JsonText, default=dict, nullable=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class UsageRow(Base):
    __tablename__ = "usage_log"
    __table_args__ = (Index("ix_usage_log_actor_at", "actor_id", "at"), Index("ix_usage_log_kind_at", "kind", "at"))

    number: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    kind: Mapped[str] = mapped_column(String(8))
    """llm, tts or stt."""
    actor_id: Mapped[str | None] = mapped_column(String(64))
    """User or API key that asked; NULL: the house."""
    source: Mapped[str] = mapped_column(String(32), default="")
    conversation_id: Mapped[str | None] = mapped_column(String(48))
    """Without a foreign key: usage outlives the conversation."""
    model: Mapped[str] = mapped_column(String(200), default="")
    units: Mapped[float] = mapped_column(Float, default=0.0)
    """llm: requests, tts: characters, stt: seconds of audio."""
    prompt_tokens: Mapped[int] = mapped_column(Integer, default=0)
    completion_tokens: Mapped[int] = mapped_column(Integer, default=0)
    cost_usd: Mapped[float | None] = mapped_column(Float)
    duration_ms: Mapped[float] = mapped_column(Float, default=0.0)
