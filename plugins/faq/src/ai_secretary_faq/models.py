"""The table of the FAQ."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, Boolean, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ai_secretary.storage import UtcDateTime, now, plugin_metadata

QUESTION_LENGTH = 500


class FaqBase(DeclarativeBase):
    metadata = plugin_metadata()


class FaqEntryRow(FaqBase):
    __tablename__ = "faq_entries"
    __table_args__ = (
        UniqueConstraint("question_key", "language"),
        Index("ix_faq_entries_created_at_id", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    question: Mapped[str] = mapped_column(String(QUESTION_LENGTH))
    question_key: Mapped[str] = mapped_column(String(QUESTION_LENGTH * 2))
    """The folded question: "График?" and "график" are the same question."""
    answer: Mapped[str] = mapped_column(Text)
    keywords: Mapped[list[str]] = mapped_column(JSON, default=list)
    language: Mapped[str] = mapped_column(String(8), default="")
    """ISO 639-1 of the turns that the entry answers; empty: all (not NULL, so that the unique key holds)."""
    enabled: Mapped[bool] = mapped_column(Boolean, default=True)
    search_text: Mapped[str] = mapped_column(Text, default="")
    """Question, keywords and answer, folded: SQLite compares only ASCII without case."""
    hit_count: Mapped[int] = mapped_column(Integer, default=0)
    last_hit_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    """Of the content; a hit does not touch it."""
