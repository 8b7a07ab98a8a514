"""Cuts a text that is still being written into pieces to speak: the first one early, the later ones at sentence ends.

The cutter looks at one character after another and never at the borders of tokens, so every way of feeding the same text gives
the same pieces, and the pieces joined are the text, character by character.
"""

from __future__ import annotations

import re

_CLOSERS = "\"'»”’)]*_"
_SENTENCE_MARKS = ".!?…"
_CLAUSE_MARKS = ",;:—–"

# Never the end of a sentence: the word they shorten goes on with a name, a number or a noun.
_LEADING_WORDS = (
    "г ул д кв стр корп к пр пл пер наб бул просп ш р обл респ им проф акад доц инж ст п пп гл см ср рис табл тов "
    "гр св тел моб доб ок напр англ нем лат рус т е mr mrs ms dr prof st no vs vol fig sr jr gen col sgt rev hon "
    "inc ltd co corp ave blvd rd mt ft dept est approx e i eg ie cf al ca u s a p m "
)
_LEADING = frozenset(_LEADING_WORDS.split())
# May close a sentence, and do so before a capital letter.
_TRAILING = frozenset(["др", "проч", "гг", "вв", "руб", "коп", "тыс", "млн", "млрд", "чел", "шт", "мин", "сек", "час", "etc"])
_TWO_PART_LEADING = re.compile(r"\b(?:т\.\s?[екчо]|[ei]\.\s?[eg])$", re.IGNORECASE)
_TWO_PART_TRAILING = re.compile(r"\b(?:т\.\s?[дп]|н\.\s?э|[ap]\.\s?m)$", re.IGNORECASE)
_CONJUNCTION = re.compile(
    r"(?:^|\s)(?:и|но|а|или|что|чтобы|потому|если|когда|где|который|которая|которое|которые|либо|зато|однако"
    r"|and|but|or|because|which|that|when|if|so|while|where|then)$",
    re.IGNORECASE,
)
_ENUMERATOR = re.compile(r"(?:^|\n)\s*(?:\d{1,3}|[a-zа-яё])$", re.IGNORECASE)
_LAST_WORD = re.compile(r"[^\W\d_]+$|\d+$")
_SPEAKABLE = re.compile(r"\w")
_NUMBERISH = re.compile(r"[\d+№$€£₽%]")


class ClauseCutter:
    """`feed` text as it comes, each call returns the pieces that became complete; `flush` gives the rest.

    Sizes are in characters. The first piece may end at a comma (from `first_min`) or before a conjunction (from
    `first_conjunction`); the others end with a sentence or a line, at a comma from `later_clause`, at a safe space from `limit`.
    Code blocks and table rows stay whole. Abbreviations, decimals, phone numbers, dates and links are never cut.
    """

    def __init__(self, *, first_min: int = 18, first_conjunction: int = 40, later_clause: int = 160, limit: int = 280) -> None:
        self._first_min = first_min
        self._first_conjunction = first_conjunction
        self._later_clause = later_clause
        self._limit = limit
        self._buffer = ""
        self._first = True
        self._code: list[str] | None = None
        """Lines of the code block that is being read, the last one unfinished."""
        self._pending: int | None = None
        """Where a sentence may have ended, if the next letter confirms it."""
        self._last_break = 0
        """Where the buffer can be cut in an emergency without splitting a number or an abbreviation."""

    def feed(self, text: str) -> list[str]:
        pieces: list[str] = []
        for character in text:
            self._step(character, pieces)
        return pieces

    def flush(self) -> list[str]:
        """The rest of the text, as one piece; none if nothing is left. The cutter starts anew."""
        rest = self.waiting
        self._reset()
        self._first = True
        return [rest] if rest else []

    def force(self, *, min_words: int = 3) -> list[str]:
        """Give the longest prefix that is safe to speak now, if it has `min_words` words; for the caller's clock to use."""
        at = self._last_break
        if self._code is not None or self._open_markup(at) or len(self._buffer[:at].split()) < min_words:
            return []
        return [self._cut(at)]

    @property
    def waiting(self) -> str:
        """What was fed and not given out."""
        return self._buffer + "".join(self._code or ())

    # ---- one character ----

    def _step(self, character: str, pieces: list[str]) -> None:
        if self._code is not None:
            self._code[-1] += character
            if character == "\n":
                if self._code[-1].rstrip().endswith("```"):
                    pieces.append(self.waiting)
                    self._reset()
                else:
                    self._code.append("")
            return
        before = self._buffer
        self._buffer = buffer = before + character
        if character == "`" and buffer.endswith("```") and not buffer[:-3].rpartition("\n")[2].strip():
            start = len(buffer) - 3
            if _SPEAKABLE.search(buffer[:start]):
                pieces.append(self._cut(start))
            self._code = [""]
            return
        if self._pending is not None and not character.isspace():
            at, self._pending = self._pending, None
            if character.isupper() or character.isdigit() or character in '«"“—–-*#[(':
                pieces.append(self._cut(at))
                return
        if character == "\n":
            if _SPEAKABLE.search(before):
                pieces.append(self._cut(len(buffer)))
        elif character.isspace():
            self._space(before, pieces)

    def _space(self, before: str, pieces: list[str]) -> None:
        end = len(before) + 1
        if before[-1:].isspace() or self._open_markup(len(before)):
            return
        stripped = before.rstrip(_CLOSERS)
        mark = stripped[-1:]
        if mark and mark in _SENTENCE_MARKS and _SPEAKABLE.search(stripped):
            verdict = self._ends_sentence(stripped)
            if verdict == "yes":
                pieces.append(self._cut(end))
                return
            if verdict == "ask":
                self._pending = end
        elif mark and mark in _CLAUSE_MARKS:
            enough = self._first_min if self._first else self._later_clause
            if end >= enough and not self._between_numbers(stripped):
                pieces.append(self._cut(end))
                return
        if self._first and end >= self._first_conjunction:
            match = _CONJUNCTION.search(before)
            if match is not None:
                at = match.start() + 1
                if at >= self._first_min and not _NUMBERISH.search(before[max(0, at - 2) : at]):
                    pieces.append(self._cut(at))
                    return
        if self._safe_space(before):
            if end <= self._limit or not self._last_break:
                self._last_break = end
            if end >= self._limit:
                pieces.append(self._cut(self._last_break))
        elif end >= self._limit and self._last_break:
            pieces.append(self._cut(self._last_break))

    # ---- what a mark means ----

    def _ends_sentence(self, stripped: str) -> str:
        if stripped[-1] != ".":
            return "yes"
        body = stripped[:-1]
        if body.endswith("."):
            return "yes"  # an ellipsis of three dots
        if _ENUMERATOR.search(body):
            return "no"
        if _TWO_PART_LEADING.search(body):
            return "no"
        if _TWO_PART_TRAILING.search(body):
            return "ask"
        match = _LAST_WORD.search(body)
        if match is None:
            return "yes"
        word = match.group()
        if len(word) == 1 and word.isupper():
            return "no"
        folded = word.casefold()
        if folded in _LEADING and body[match.start() - 1 : match.start()] != "-":
            return "no"
        if folded in _TRAILING:
            return "ask"
        return "yes"

    @staticmethod
    def _between_numbers(stripped: str) -> bool:
        """`1, 2` and `+7 912, ` may be parts of one number."""
        return stripped[-2:-1].isdigit() and stripped[-1] in ",—–"

    def _safe_space(self, before: str) -> bool:
        tail = before[-1:]
        if not tail or _NUMBERISH.search(tail):
            return False
        if tail == ".":
            return self._ends_sentence(before) == "yes"
        return tail not in '(«"“[—–-/'

    def _open_markup(self, end: int) -> bool:
        """Inside `code`, [a link](…) or <a tag>; an opening that is never closed stops counting after 200 characters."""
        recent = self._buffer[max(0, end - 200) : end]
        if recent.count("`") % 2:
            return True
        bracket = recent.rfind("[")
        if bracket >= 0 and "]" not in recent[bracket:]:
            return True
        link = recent.rfind("](")
        if link >= 0 and ")" not in recent[link:]:
            return True
        tag = recent.rfind("<")
        return 0 <= tag < len(recent) - 1 and (recent[tag + 1].isalpha() or recent[tag + 1] in "/!") and ">" not in recent[tag:]

    def _cut(self, at: int) -> str:
        piece, rest = self._buffer[:at], self._buffer[at:]
        self._reset()
        self._buffer = rest
        if _SPEAKABLE.search(piece):
            self._first = False
        return piece

    def _reset(self) -> None:
        self._buffer = ""
        self._code = None
        self._pending = None
        self._last_break = 0


def cut(text: str) -> list[str]:
    """The pieces of a whole text."""
    cutter = ClauseCutter()
    return cutter.feed(text) + cutter.flush()
