"""What a person may enter: the rules of a valid entry, in one place for the API, the panel and the import."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ai_secretary.errors import InvalidInput
from ai_secretary_faq.models import QUESTION_LENGTH
from ai_secretary_faq.text import fold, letters_and_digits

ANSWER_LENGTH: Final = 10_000
KEYWORD_LENGTH: Final = 100
KEYWORDS: Final = 50
ENTRIES: Final = 10_000
_LANGUAGE = re.compile(r"^[a-z]{2,3}$")


@dataclass(slots=True, frozen=True)
class Draft:
    """A checked entry without its identity."""

    question: str
    answer: str
    keywords: tuple[str, ...] = ()
    language: str | None = None
    enabled: bool = True

    @property
    def key(self) -> tuple[str, str]:
        """What must be unique."""
        return fold(self.question), self.language or ""


def check(question: str, answer: str, keywords: Iterable[str] = (), language: str | None = None, enabled: bool = True) -> Draft:
    """A draft of tidied values. Raises `InvalidInput` that names the field."""
    return Draft(_question(question), _answer(answer), _keywords(keywords), _language(language), enabled)


def _question(value: str) -> str:
    value = " ".join(value.split())
    if letters_and_digits(value) < 2:
        raise InvalidInput(
            "A question needs at least two letters or digits",
            code="faq_question_short",
            field="question",
            hint="One letter would be found in everything that people say.",
        )
    if len(value) > QUESTION_LENGTH or len(fold(value)) > 2 * QUESTION_LENGTH:
        raise InvalidInput("A question has at most {n} characters", n=QUESTION_LENGTH, code="faq_question_long", field="question")
    return value


def _answer(value: str) -> str:
    value = value.strip()
    if not value:
        raise InvalidInput("The answer is empty", code="faq_answer_empty", field="answer")
    if len(value) > ANSWER_LENGTH:
        raise InvalidInput("An answer has at most {n} characters", n=ANSWER_LENGTH, code="faq_answer_long", field="answer")
    return value


def _keywords(values: Iterable[str]) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for value in values:
        value = " ".join(value.split())
        if not value:
            continue
        if letters_and_digits(value) < 2:
            raise InvalidInput("The keyword “{keyword}” is too short", keyword=value, code="faq_keyword_short", field="keywords")
        if len(value) > KEYWORD_LENGTH:
            raise InvalidInput(
                "A keyword has at most {n} characters", n=KEYWORD_LENGTH, code="faq_keyword_long", field="keywords"
            )
        if ";" in value:
            raise InvalidInput("A keyword cannot contain a semicolon", code="faq_keyword_semicolon", field="keywords")
        found.setdefault(fold(value), value)
    if len(found) > KEYWORDS:
        raise InvalidInput("An entry has at most {n} keywords", n=KEYWORDS, code="faq_keywords_many", field="keywords")
    return tuple(found.values())


def _language(value: str | None) -> str | None:
    if value is None or not value.strip():
        return None
    value = value.strip().lower()
    if not _LANGUAGE.match(value):
        raise InvalidInput(
            "“{language}” is not a language code such as ru or en", language=value[:20], code="faq_language", field="language"
        )
    return value
