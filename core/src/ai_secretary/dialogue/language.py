"""Languages of a turn: which one an utterance is in, and texts of the house in it."""

from __future__ import annotations

import contextvars
from collections.abc import Callable

from ai_secretary.i18n import LANGUAGES, set_language


def _detector() -> Callable[[str, str | None], str]:
    try:
        from ai_secretary.voice.language import detect
    except ImportError:
        return by_letters
    return detect


def by_letters(text: str, prior: str | None = None) -> str:
    """`ru` where at least three letters in ten are Cyrillic, `en` otherwise; `prior` for texts without letters."""
    cyrillic = sum("\u0400" <= char <= "\u04ff" for char in text)
    others = sum(char.isalpha() for char in text) - cyrillic
    if not cyrillic and others <= 2:
        return prior or "en"
    return "ru" if cyrillic * 10 >= 3 * (cyrillic + others) else "en"


_detect: list[Callable[[str, str | None], str]] = []


def detect(text: str, prior: str | None = None) -> str:
    """ISO 639-1 of an utterance; `prior` is the language of the conversation so far, for texts that do not say."""
    if not _detect:
        _detect.append(_detector())
    return _detect[0](text, prior)


def house_language(language: str) -> str:
    """The language of the house's own texts nearest to `language`: Russian or English."""
    return language if language in LANGUAGES else "en"


def in_language(language: str, text: Callable[[], str]) -> str:
    """Evaluate a translated text in `language`, whatever the language of the surrounding request is."""

    def evaluate() -> str:
        set_language(house_language(language))
        return text()

    return contextvars.copy_context().run(evaluate)
