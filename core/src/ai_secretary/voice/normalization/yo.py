"""The letter ё where it was written as е, for words that have no other reading."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any

_WORD = re.compile(r"[А-ЯЁа-яё]*[еЕ][А-ЯЁа-яё]*")
# Spelt with е in a word of another meaning that the dictionary does not list, or left to the reader on purpose.
_AMBIGUOUS = "все всем ежа ежи бел вел мел нес пек тек берег небо небе осел совершенный"
_LEAVE = frozenset(_AMBIGUOUS.split())


@cache
def morphology() -> Any:
    import pymorphy3

    return pymorphy3.MorphAnalyzer()


@lru_cache(maxsize=65536)
def _restored(lower: str) -> str | None:
    """The only dictionary word that differs from `lower` by ё, None where there is none, or where `lower` is a word itself."""
    if lower in _LEAVE or "ё" in lower:
        return None
    analyzer = morphology()
    found = {str(key) for key in analyzer.dictionary.words.similar_keys(lower, analyzer.char_substitutes)}
    if lower in found or len(found) != 1:
        return None
    word = found.pop()
    return word if word.replace("ё", "е") == lower else None


def restore_yo(text: str) -> str:
    """`еще` → `ещё`, `зеленый` → `зелёный`; `все`, `небо`, `узнает` stay, because both readings exist."""

    def word(match: re.Match[str]) -> str:
        written = match[0]
        restored = _restored(written.lower())
        if restored is None:
            return written
        return "".join(new.upper() if old.isupper() else new for old, new in zip(written, restored, strict=True))

    return _WORD.sub(word, text)
