"""The values of the FAQ: an entry, what matched, and why something did not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

How = Literal["exact", "keywords", "fuzzy"]
Verdict = Literal["matched", "outranked", "too_different", "keyword_share", "disabled", "other_language", "too_long", "fuzzy_off"]


@dataclass(slots=True, frozen=True)
class Entry:
    """One question with its answer. `language` None: answers in every language."""

    id: str
    question: str
    answer: str
    keywords: tuple[str, ...]
    language: str | None
    enabled: bool
    hit_count: int
    last_hit_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(slots=True, frozen=True)
class Rules:
    """The options that matching looks at; shares and thresholds are 0–1."""

    threshold: float = 0.8
    keyword_share: float = 0.4
    max_words: int = 30
    fuzzy: bool = True


@dataclass(slots=True, frozen=True)
class Match:
    """`score` 0–1: 1 for exact, the covered share for keywords, the similarity for fuzzy."""

    entry: Entry
    how: How
    score: float
    keyword: str = ""
    """The keyword phrase that matched."""


@dataclass(slots=True, frozen=True)
class Candidate:
    """An entry that was considered: what speaks for it, what against, and the verdict."""

    entry: Entry
    how: How
    score: float
    needed: float
    verdict: Verdict
    keyword: str = ""
    common: tuple[str, ...] = ()
    """Words of the utterance that the entry has too."""
    missing: tuple[str, ...] = ()
    """Words of the entry that were not said."""
    extra: tuple[str, ...] = ()
    """Words that were said and that the entry has not."""


@dataclass(slots=True, frozen=True)
class Explanation:
    match: Match | None
    candidates: tuple[Candidate, ...]
    reason: Literal["matched", "too_short", "too_long", "nothing_similar", "off", "empty"]
    milliseconds: float = 0.0
