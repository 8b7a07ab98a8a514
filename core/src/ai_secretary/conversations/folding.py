"""Text as search sees it: lower case in every script, ё as е, words and numbers only."""

from __future__ import annotations

import re

FOLDED_LENGTH = 20_000
"""Characters of a message that are searchable; a book pasted into a prompt is not indexed to its end."""

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> list[str]:
    """The words of `text` in their folded form."""
    return _WORD.findall(text.casefold().replace("ё", "е"))


def fold(text: str, limit: int = FOLDED_LENGTH) -> str:
    """`text` reduced to folded words with one space between them, so that every database splits it alike."""
    return " ".join(words(text[:limit]))[:limit]


def snippet(text: str, query_words: list[str], width: int = 160) -> str:
    """The part of `text` around the first word that begins with one of `query_words`, at most about `width` characters."""
    pattern = "|".join(re.escape(word).replace("е", "[её]") for word in query_words)
    match = re.search(rf"(?<![^\W_])(?:{pattern})", text, re.IGNORECASE) if pattern else None
    start = max(0, match.start() - width // 3) if match else 0
    cut = " ".join(text[start : start + width].split())
    return ("…" if start else "") + cut + ("…" if start + width < len(text) else "")
