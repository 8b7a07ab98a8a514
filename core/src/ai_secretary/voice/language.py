"""Which language a text is in: by its letters, with a prior for texts that do not say."""

from __future__ import annotations

import re

_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|www\.\S+|[\w.+-]+@[\w-]+\.[\w.-]+|<[^<>]{1,300}>|\]\([^)\s]*\)", re.DOTALL
)
_CYRILLIC = re.compile(r"[\u0400-\u04ff]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u024f]")
_CYRILLIC_SHARE = 0.3
_MIN_LETTERS = 2


def detect(text: str, prior: str | None = None) -> str:
    """ISO 639-1 of `text`, `ru` or `en` by the share of Cyrillic letters (30 % is Russian: brands and code are Latin).

    Code, links and markup do not count. A text without letters ("123", "…"), and a neutral one or two Latin letters ("ok"),
    is in the language of the conversation, `prior` (English without one).
    """
    if not text.isascii() or "`" in text or "://" in text or "<" in text or "@" in text:
        text = _NOT_PROSE.sub(" ", text)
    cyrillic = len(_CYRILLIC.findall(text))
    latin = len(_LATIN.findall(text))
    if cyrillic == 0 and latin <= _MIN_LETTERS:
        return prior or "en"
    if cyrillic >= _CYRILLIC_SHARE * (cyrillic + latin):
        return "ru"
    if prior is not None and prior not in ("ru", "en"):
        return prior
    return "en"
