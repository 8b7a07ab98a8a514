"""The FAQ as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ai_secretary_faq.drafts import ANSWER_LENGTH, KEYWORDS
from ai_secretary_faq.entries import Candidate, Entry, How, Verdict
from ai_secretary_faq.models import QUESTION_LENGTH

Keyword = Annotated[str, Field(max_length=1000)]


class EntryIn(BaseModel):
    """A new entry."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    question: str = Field(max_length=4 * QUESTION_LENGTH)
    """At least two letters or digits, at most 500 characters."""
    answer: str = Field(max_length=4 * ANSWER_LENGTH)
    """May hold {current_time}, {current_date} and {day_of_week}; at most 10,000 characters."""
    keywords: list[Keyword] = Field(default_factory=list, max_length=4 * KEYWORDS)
    """Words or phrases that lead here."""
    language: str | None = Field(None, max_length=20)
    """ISO 639-1: answer only in this language; null: in every one."""
    enabled: bool = True


class EntryPatch(BaseModel):
    """Fields that are left out stay as they are; null clears `keywords` and `language`."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    question: str | None = Field(None, max_length=4 * QUESTION_LENGTH)
    answer: str | None = Field(None, max_length=4 * ANSWER_LENGTH)
    keywords: list[Keyword] | None = Field(None, max_length=4 * KEYWORDS)
    language: str | None = Field(None, max_length=20)
    enabled: bool | None = None


class EntryOut(BaseModel):
    id: str
    question: str
    answer: str
    keywords: list[str]
    language: str | None
    enabled: bool
    hit_count: int
    last_hit_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> EntryOut:
        return cls(
            id=entry.id,
            question=entry.question,
            answer=entry.answer,
            keywords=list(entry.keywords),
            language=entry.language,
            enabled=entry.enabled,
            hit_count=entry.hit_count,
            last_hit_at=entry.last_hit_at,
            created_at=entry.created_at,
            updated_at=entry.updated_at,
        )


class EntryPage(BaseModel):
    items: list[EntryOut]
    total: int
    limit: int
    offset: int


class TestIn(BaseModel):
    """Something that a person might say."""

    __test__ = False
    model_config = ConfigDict(use_attribute_docstrings=True)

    text: str = Field(max_length=20_000)
    language: str | None = Field(None, max_length=20)
    """ISO 639-1; default: detected by the letters."""
    timezone: str | None = Field(None, max_length=60)
    """IANA name; default: the installation's."""


class CandidateOut(BaseModel):
    """An entry that came into question, with what speaks for it and what against."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    id: str
    question: str
    how: How
    score: float
    """0–1."""
    needed: float
    """0–1: what the score had to reach."""
    verdict: Verdict
    keyword: str = ""
    common: list[str]
    missing: list[str]
    extra: list[str]

    @classmethod
    def of(cls, candidate: Candidate) -> CandidateOut:
        return cls(
            id=candidate.entry.id,
            question=candidate.entry.question,
            how=candidate.how,
            score=candidate.score,
            needed=candidate.needed,
            verdict=candidate.verdict,
            keyword=candidate.keyword,
            common=list(candidate.common),
            missing=list(candidate.missing),
            extra=list(candidate.extra),
        )


class TestOut(BaseModel):
    __test__ = False
    model_config = ConfigDict(use_attribute_docstrings=True)

    match: EntryOut | None
    answer: str | None
    """With the placeholders filled."""
    how: How | None
    score: float | None
    reason: Literal["matched", "too_short", "too_long", "nothing_similar", "off", "empty"]
    language: str
    milliseconds: float
    candidates: list[CandidateOut]


class LineErrorOut(BaseModel):
    line: int
    field: str | None
    message: str
    code: str


class ImportOut(BaseModel):
    total: int
    added: int
    updated: int
    unchanged: int
    skipped: int
    errors: list[LineErrorOut]
    dry_run: bool


class ReloadOut(BaseModel):
    status: Literal["ok"] = "ok"
    count: int
