"""Which entry answers an utterance: an immutable index over all entries, built off the event loop.

The order is always the same: an exact question, then keywords, then the most similar question; among equals the older entry.

Similarity is a weighted Dice coefficient over the words of both sentences, 2·common / (said + asked): a long utterance can
therefore not be answered by a short entry that merely occurs in it. Words compare by stem; unknown words may have a typo
(RapidFuzz). Where both sides have a content word that the other lacks ("refund" for "exchange"), they are likely different
questions: a penalty.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from rapidfuzz import process
from rapidfuzz.distance import OSA

from ai_secretary_faq.entries import Candidate, Entry, Explanation, How, Match, Rules, Verdict
from ai_secretary_faq.text import CONTENT, Phrase, analyse, fold, letters_and_digits, warm_up

MAX_CHARACTERS: Final = 2000
"""Longer utterances are not looked at."""
_TYPO_LENGTH: Final = 4
"""Stems shorter than this must be right to the letter: one edit turns one short word into another. For the same reason a typo in
the first letter counts only in longer stems."""
_FIRST_LETTER_LENGTH: Final = 7
_TYPO_CACHE: Final = 8192
_TYPO_SIMILARITY: Final = 0.75
_SUBSTITUTION_PENALTY: Final = 0.15
_SHORTLIST: Final = 24
_Typos = tuple[tuple[str, float], ...]


@dataclass(slots=True, frozen=True)
class Prepared:
    """An entry with all that matching needs; reused over rebuilds while the entry is unchanged."""

    entry: Entry
    phrase: Phrase
    keywords: tuple[tuple[str, Phrase], ...]


def _spellable(key: str) -> bool:
    """Whether a key is a stem in which a typo may be forgiven; "room 12" must not become "room 13"."""
    return len(key) >= _TYPO_LENGTH and not key.startswith("=") and not any(character.isdigit() for character in key)


def prepare(entry: Entry) -> Prepared:
    return Prepared(entry, analyse(entry.question), tuple((keyword, analyse(keyword)) for keyword in entry.keywords))


@dataclass(slots=True, frozen=True)
class _Heard:
    """An utterance against the vocabulary: per key its weight and the known keys it may stand for (itself, or typos of it)."""

    phrase: Phrase
    known: tuple[_Typos, ...]

    def covered(self, keys: Iterable[str]) -> tuple[float, set[int]]:
        """Weight and positions of the utterance's words that `keys` account for."""
        wanted = set(keys)
        weight = 0.0
        positions = set()
        for position, known in enumerate(self.known):
            for key, similarity in known:
                if key in wanted:
                    weight += self.phrase.weights[position] * similarity
                    positions.add(position)
                    wanted.discard(key)
                    break
        return weight, positions


class FaqIndex:
    """Answers in well under 2 ms with 10,000 entries. `find` is a pure look-up; `explain` also says why not."""

    def __init__(self, prepared: Sequence[Prepared]) -> None:
        """`prepared` in any order. Takes about 100 ms for 10,000 entries: build it in a thread."""
        self._prepared = sorted(prepared, key=lambda item: (item.entry.created_at, item.entry.id))
        self._exact: dict[str, list[int]] = {}
        self._compact: dict[str, list[int]] = {}
        self._keyword_exact: dict[str, list[tuple[int, int]]] = {}
        self._anchors: dict[str, list[tuple[int, int]]] = {}
        postings: dict[str, list[int]] = {}
        self._vocabulary: set[str] = set()
        weights = np.zeros(len(self._prepared), dtype=np.float32)
        for position, item in enumerate(self._prepared):
            phrase = item.phrase
            weights[position] = phrase.weight
            self._exact.setdefault(phrase.folded, []).append(position)
            self._compact.setdefault(phrase.compact, []).append(position)
            for key in phrase.keys:
                postings.setdefault(key, []).append(position)
            for number, (_, keyword) in enumerate(item.keywords):
                if not keyword.keys:
                    continue
                self._keyword_exact.setdefault(keyword.folded, []).append((position, number))
                heaviest = max(range(len(keyword.keys)), key=lambda at: (keyword.weights[at], len(keyword.keys[at])))
                self._anchors.setdefault(keyword.keys[heaviest], []).append((position, number))
                self._vocabulary.update(keyword.keys)
        self._vocabulary.update(postings)
        self._postings: dict[str, np.ndarray[tuple[int], np.dtype[np.int32]]] = {
            key: np.array(positions, dtype=np.int32) for key, positions in postings.items()
        }
        self._weights = weights
        # Stems that may be meant by a misspelt one: nearly every typo leaves the first letter, or else the second, as it was.
        self._by_letter: dict[tuple[int, str, int], list[str]] = {}
        for key in sorted(self._vocabulary):
            if _spellable(key):
                for place in (0, 1):
                    self._by_letter.setdefault((place, key[place], len(key)), []).append(key)
        self._typo_cache: dict[str, _Typos] = {}
        self._languages = [item.entry.language for item in self._prepared]
        self._enabled = [item.entry.enabled for item in self._prepared]

    def __len__(self) -> int:
        return len(self._prepared)

    @property
    def enabled_count(self) -> int:
        return sum(self._enabled)

    def prepared(self) -> Mapping[str, Prepared]:
        return {item.entry.id: item for item in self._prepared}

    # ---- the decision ----

    def find(self, text: str, language: str, rules: Rules) -> Match | None:
        """The entry that answers, or None. Never on an utterance of fewer than two letters or digits."""
        if len(text) > MAX_CHARACTERS or letters_and_digits(text) < 2:
            return None
        language = language.partition("-")[0].lower()
        phrase = analyse(text)
        exact = self._find_exact(phrase, language)
        if exact is not None:
            return Match(self._prepared[exact].entry, "exact", 1.0)
        by_keyword = self._keyword_exact.get(phrase.folded)
        for position, number in by_keyword or ():
            if self._answers(position, language):
                return Match(self._prepared[position].entry, "keywords", 1.0, self._prepared[position].keywords[number][0])
        if phrase.words > rules.max_words or phrase.weight <= 0:
            return None
        heard = self._hear(phrase)
        keywords = self._by_keywords(heard)
        for share, position, number in keywords:
            if share >= rules.keyword_share and self._answers(position, language):
                return Match(self._prepared[position].entry, "keywords", share, self._prepared[position].keywords[number][0])
        if not rules.fuzzy:
            return None
        best: tuple[float, int] | None = None
        for position in self._shortlist(heard, rules.threshold):
            if not self._answers(position, language):
                continue
            score = self._similarity(heard, self._prepared[position].phrase)
            if score >= rules.threshold and (best is None or score > best[0] + 1e-9):
                best = (score, position)
        return None if best is None else Match(self._prepared[best[1]].entry, "fuzzy", best[0])

    def explain(self, text: str, language: str, rules: Rules, *, limit: int = 6) -> Explanation:
        """The same decision with the entries that came close and what spoke against them."""
        if not text.strip():
            return Explanation(None, (), "empty")
        if letters_and_digits(text) < 2:
            return Explanation(None, (), "too_short")
        if len(text) > MAX_CHARACTERS:
            return Explanation(None, (), "too_long")
        language = language.partition("-")[0].lower()
        match = self.find(text, language, rules)
        phrase = analyse(text)
        heard = self._hear(phrase)
        too_long = phrase.words > rules.max_words
        considered: dict[int, tuple[int, float, How, str]] = {}  # position -> (rank of the way, score, way, keyword)

        def consider(position: int, rank: int, score: float, how: How, keyword: str = "") -> None:
            current = considered.get(position)
            if current is None or (rank, -score) < (current[0], -current[1]):
                considered[position] = (rank, score, how, keyword)

        for position in (*self._exact.get(phrase.folded, ()), *self._compact.get(phrase.compact, ())):
            consider(position, 0, 1.0, "exact")
        for position, number in self._keyword_exact.get(phrase.folded, ()):
            consider(position, 1, 1.0, "keywords", self._prepared[position].keywords[number][0])
        for share, position, number in self._by_keywords(heard):
            rank = 1 if share >= rules.keyword_share else 3
            consider(position, rank, share, "keywords", self._prepared[position].keywords[number][0])
        for position in self._shortlist(heard, 0.5):
            score = self._similarity(heard, self._prepared[position].phrase)
            consider(position, 2 if score >= rules.threshold else 3, score, "fuzzy")

        def verdict(position: int, how: How, score: float) -> Verdict:
            entry = self._prepared[position].entry
            if match is not None and entry.id == match.entry.id:
                return "matched"
            if how == "fuzzy" and score < rules.threshold:
                return "too_different"
            if how == "keywords" and score < rules.keyword_share:
                return "keyword_share"
            if not entry.enabled:
                return "disabled"
            if entry.language is not None and entry.language != language:
                return "other_language"
            if how != "exact" and too_long:
                return "too_long"
            return "fuzzy_off" if how == "fuzzy" and not rules.fuzzy else "outranked"

        ordered = sorted(considered.items(), key=lambda item: (item[1][0], -item[1][1], item[0]))
        if match is not None:
            ordered.sort(key=lambda item: self._prepared[item[0]].entry.id != match.entry.id)
        candidates = []
        for position, (_, score, how, keyword) in ordered[:limit]:
            item = self._prepared[position]
            _, said = heard.covered(item.phrase.keys)
            spoken = {key for at in said for key, _ in heard.known[at]}
            needed = {"exact": 1.0, "keywords": rules.keyword_share, "fuzzy": rules.threshold}[how]
            candidates.append(
                Candidate(
                    entry=item.entry,
                    how=how,
                    score=round(score, 4),
                    needed=needed,
                    verdict=verdict(position, how, score),
                    keyword=keyword,
                    common=tuple(phrase.shown[at] for at in sorted(said)),
                    missing=tuple(
                        word for word, key in zip(item.phrase.shown, item.phrase.keys, strict=True) if key not in spoken
                    ),
                    extra=tuple(word for at, word in enumerate(phrase.shown) if at not in said),
                )
            )
        if match is not None:
            return Explanation(match, tuple(candidates), "matched")
        return Explanation(None, tuple(candidates), "too_long" if too_long else "nothing_similar")

    # ---- the parts of it ----

    def _answers(self, position: int, language: str) -> bool:
        wanted = self._languages[position]
        return self._enabled[position] and (wanted is None or wanted == language)

    def _find_exact(self, phrase: Phrase, language: str) -> int | None:
        """By the folded text, or by the same letters with other spaces; an entry of this very language goes first."""
        for table, key in ((self._exact, phrase.folded), (self._compact, phrase.compact)):
            found = [position for position in table.get(key, ()) if self._answers(position, language)]
            if found:
                return min(found, key=lambda position: (self._languages[position] is None, position))
        return None

    def _hear(self, phrase: Phrase) -> _Heard:
        known: list[_Typos] = []
        for key, weight in zip(phrase.keys, phrase.weights, strict=True):
            if key in self._vocabulary:
                known.append(((key, 1.0),))
            elif weight == CONTENT and _spellable(key):
                known.append(self._typos(key))
            else:
                known.append(())
        return _Heard(phrase, tuple(known))

    def _typos(self, key: str) -> _Typos:
        """Known stems one edit away (two from eight letters on), best first, with how much of a hit each is."""
        cached = self._typo_cache.get(key)
        if cached is not None:
            return cached
        reach = 1 if len(key) < 8 else 2
        groups = [(0, key[0], length) for length in range(len(key) - reach, len(key) + reach + 1)]
        if len(key) >= _FIRST_LETTER_LENGTH:
            groups.append((1, key[1], len(key)))
        found: dict[str, float] = {}
        for group in groups:
            choices = self._by_letter.get(group)
            if choices:
                hits = process.extract(key, choices, scorer=OSA.normalized_similarity, score_cutoff=_TYPO_SIMILARITY, limit=4)
                found.update((choice, 1.0 - 0.6 * (1.0 - similarity)) for choice, similarity, _ in hits)
        typos = tuple(sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))[:4])
        if len(self._typo_cache) >= _TYPO_CACHE:
            self._typo_cache.clear()
        self._typo_cache[key] = typos
        return typos

    def _by_keywords(self, heard: _Heard) -> list[tuple[float, int, int]]:
        """(share of the utterance covered, entry, keyword) for every keyword phrase that was said, best first."""
        said = {key for known in heard.known for key, _ in known}
        found: list[tuple[float, int, int]] = []
        if heard.phrase.weight <= 0:
            return found
        for key in said:
            for position, number in self._anchors.get(key, ()):
                keyword = self._prepared[position].keywords[number][1]
                if keyword.weight > 0 and said.issuperset(keyword.keys):
                    weight, _ = heard.covered(keyword.keys)
                    found.append((weight / heard.phrase.weight, position, number))
        found.sort(key=lambda hit: (-round(hit[0], 6), hit[1], hit[2]))
        return found

    def _shortlist(self, heard: _Heard, threshold: float) -> list[int]:
        """The entries that could reach `threshold`, most similar first, older ones first among equals."""
        if not self._prepared or heard.phrase.weight <= 0:
            return []
        common = np.zeros(len(self._prepared), dtype=np.float32)
        for known, weight in zip(heard.known, heard.phrase.weights, strict=True):
            if len(known) == 1:
                positions = self._postings.get(known[0][0])
                if positions is not None:
                    common[positions] += weight * known[0][1]
            elif known:
                best = np.zeros_like(common)
                for key, similarity in reversed(known):
                    positions = self._postings.get(key)
                    if positions is not None:
                        best[positions] = weight * similarity
                common += best
        scores = 2 * common / (self._weights + heard.phrase.weight)
        found = np.flatnonzero(scores >= threshold - 0.02)
        if len(found) > _SHORTLIST:
            # Stable: among equals the older entry stays.
            found = found[np.argsort(-scores[found], kind="stable")[:_SHORTLIST]]
            return [int(position) for position in found]
        return [int(position) for position in found[np.argsort(-scores[found], kind="stable")]]

    @staticmethod
    def _similarity(heard: _Heard, phrase: Phrase) -> float:
        """Weighted Dice with the penalty for substituted content words, 0–1."""
        if phrase.weight <= 0:
            return 0.0
        common, positions = heard.covered(phrase.keys)
        score = 2 * common / (phrase.weight + heard.phrase.weight)
        spoken = {key for position in positions for key, _ in heard.known[position]}
        extra = sum(weight for at, weight in enumerate(heard.phrase.weights) if at not in positions and weight >= 0.5)
        missing = sum(
            weight for key, weight in zip(phrase.keys, phrase.weights, strict=True) if weight >= 0.5 and key not in spoken
        )
        return min(1.0, max(0.0, score - _SUBSTITUTION_PENALTY * min(extra, missing, 2.0)))


def build_index(entries: Iterable[Entry], known: Mapping[str, Prepared] | None = None) -> FaqIndex:
    """An index over `entries`; what `known` already has of an unchanged entry is reused. Blocking: call it in a thread."""
    warm_up()
    prepared = []
    for entry in entries:
        old = known.get(entry.id) if known is not None else None
        if old is not None and old.entry.question == entry.question and old.entry.keywords == entry.keywords:
            prepared.append(Prepared(entry, old.phrase, old.keywords))
        else:
            prepared.append(prepare(entry))
    return FaqIndex(prepared)


def question_key(question: str) -> str:
    """What makes a question unique per language."""
    return fold(question)
