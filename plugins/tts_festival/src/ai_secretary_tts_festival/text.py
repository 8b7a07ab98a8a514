"""From any text to what the voice can say: one letter that it does not know would silence the whole phrase."""

from __future__ import annotations

import re
from typing import Final

MAX_PHRASE: Final = 300
"""Characters; Festival's time grows with the square of a phrase."""
MAX_WORD: Final = 40

_LATIN: Final = {
    "shch": "щ", "sch": "щ", "sh": "ш", "ch": "ч", "zh": "ж", "kh": "х", "ph": "ф", "th": "т", "ck": "к", "qu": "кв", "oo": "у",
    "ee": "и", "ya": "я", "yu": "ю", "yo": "ё", "a": "а", "b": "б", "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х",
    "i": "и", "j": "дж", "k": "к", "l": "л", "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с", "t": "т",
    "u": "у", "v": "в", "w": "в", "x": "кс", "y": "и", "z": "з",
}  # fmt: skip
_NEIGHBOURS: Final = str.maketrans(
    {"і": "и", "ї": "йи", "є": "е", "ґ": "г", "ў": "у", "…": ".", "—": ",", "–": ",", "(": ",", ")": ",", "№": " номер "}
)
_LATIN_PARTS: Final = re.compile("|".join(sorted(_LATIN, key=len, reverse=True)))
_UNKNOWN: Final = re.compile(r"[^а-яё0-9 .,!?;:-]")
_SOUND: Final = re.compile(r"[а-яё0-9]")
_MARK: Final = re.compile(r"(?<=[а-яё0-9])([.,!?;:]).*")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")


def phrases(text: str) -> list[str]:
    """The text in pieces that the voice can say, each with a sound in it and at most `MAX_PHRASE` characters long."""
    pieces: list[str] = []
    for sentence in _SENTENCE_END.split(_known(text)):
        piece = ""
        for word in _words(sentence):
            if piece and len(piece) + 1 + len(word) > MAX_PHRASE:
                pieces.append(piece)
                piece = word
            else:
                piece = f"{piece} {word}" if piece else word
        if piece:
            pieces.append(piece)
    return pieces


def scheme_string(text: str) -> str:
    """A string of Festival's language; whatever the text holds, it stays a string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _known(text: str) -> str:
    text = text.lower().replace("\u0301", "").translate(_NEIGHBOURS)
    text = _LATIN_PARTS.sub(lambda part: _LATIN[part.group()], text)
    return _UNKNOWN.sub(" ", text)


def _words(sentence: str) -> list[str]:
    """Words with at most one mark at their end; a mark on its own belongs to the word before it."""
    words: list[str] = []
    for token in sentence.split():
        if _SOUND.search(token):
            inner = re.sub(r"[.,!?;:]+(?=[а-яё0-9])", " ", token.lstrip(".,!?;:-").rstrip("-"))
            words += [part for word in inner.split() for part in _short(_MARK.sub(r"\1", word)) if _SOUND.search(part)]
        elif words and token[0] in ".,!?;:" and words[-1][-1] not in ".,!?;:":
            words[-1] += token[0]
    return words


def _short(word: str) -> list[str]:
    return [word[start : start + MAX_WORD] for start in range(0, len(word), MAX_WORD)]
