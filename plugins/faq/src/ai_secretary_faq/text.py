"""From an utterance to comparable keys: folding, stems, and how much a word says."""

from __future__ import annotations

import re
import threading
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

CONTENT: Final = 1.0
QUESTION: Final = 0.5
FUNCTION: Final = 0.05
FILLER: Final = 0.0
"""Weights of words: what a question is about counts in full; "where" and "when" tell questions apart; "the" hardly does."""

_NOT_WORD = re.compile(r"[^\w]+|_+")
_CYRILLIC = re.compile(r"[а-я]")
_STRESS = "\u0300\u0301"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# All words below are written as `fold` leaves them: lower case, "е" for "ё".
_FILLERS = _words(
    """
    здравствуйте здравствуй привет приветствую пожалуйста спасибо подскажите подскажи скажите скажи расскажите расскажи ответьте
    объясните поясните извините простите извиняюсь будьте добры любезны алло ало слушайте слушай девушка уважаемые хотел хотела
    хотелось бы узнать уточнить спросить интересует интересно вопрос мне нам ну эм э ээ вот значит короче собственно
    hello hi hey please thanks thank tell say excuse sorry could would like
    know ask wondering wonder question greetings um uh well
    """
)
_QUESTIONS = _words(
    """
    где когда сколько почему зачем кто кого кому кем куда откуда как чей чья чье насколько чем что
    where when how why who whom whose which what much many long far
    """
)
_FUNCTIONS = _words(
    """
    а и но или либо да же ли бы б в во на с со к ко о об обо от до из изо за по под над при про для у через между перед
    я ты он она оно мы вы они меня тебя его ее нас вас их тебе ему ей вам им мной тобой нами вами ими
    мой моя мое мои моего моей моих твой ваш ваша ваше ваши вашего вашей вашу ваших вашем вашим наш наша наше наши нашего нашей
    свой своя свое свои этот эта это эти этого этой этих тот та то те того той тех
    какой какая какое какие какого каких какому каким каком какую какова каков каково каковы
    есть быть будет был была было были бывает еще уже тоже также так там тут здесь сейчас можно могу можете себя себе чтобы если
    a an the and or but is are am be was were do does did have has had can may might shall should will to of in on at for from by
    with about as it its this that these those i me my you your yours we our us they their them he she his her there here so if
    """
)
# "Good afternoon" says nothing of the question, while "afternoon" alone may be what it is about.
_GREETING = re.compile(
    r"\b(?:добр(?:ый|ого|ое|ой) (?:день|дня|утро|утра|вечер|вечера|ночи|времени суток)|good (?:morning|afternoon|evening|day))\b"
)

_stemmers = threading.local()


def fold(text: str) -> str:
    """Lower case, "ё" as "е", compatibility forms and stress marks undone, punctuation as single spaces."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    if any(mark in text for mark in _STRESS):
        text = text.replace(_STRESS[0], "").replace(_STRESS[1], "")
    return _NOT_WORD.sub(" ", text).strip()


@lru_cache(maxsize=65536)
def stem(word: str) -> str:
    """The stem of a folded word; a word with digits stays as it is."""
    if any(character.isdigit() for character in word):
        return word
    return str(_stemmer("russian" if _CYRILLIC.search(word) else "english").stemWord(word))


def _stemmer(language: str) -> Any:
    """A stemmer keeps the word that it works on in itself, so each thread has its own."""
    found = getattr(_stemmers, language, None)
    if found is None:
        # The package loads all its languages: too slow for the start of the program.
        import snowballstemmer  # type: ignore[import-untyped]

        found = snowballstemmer.stemmer(language)
        setattr(_stemmers, language, found)
    return found


@lru_cache(maxsize=65536)
def key_and_weight(word: str) -> tuple[str, float]:
    """What a folded word is compared by. Small words keep their form ("=какой" is not "=как"), the others are stems."""
    if word in _FILLERS:
        return f"={word}", FILLER
    if word in _QUESTIONS:
        return f"={word}", QUESTION
    if word in _FUNCTIONS or (len(word) == 1 and not word.isdigit()):
        return f"={word}", FUNCTION
    return stem(word), CONTENT


@dataclass(slots=True, frozen=True)
class Phrase:
    """A folded text with its distinct keys, in order of first appearance."""

    folded: str
    words: int
    keys: tuple[str, ...]
    weights: tuple[float, ...]
    shown: tuple[str, ...]
    """The word behind each key, for explanations."""
    weight: float
    """Sum of the weights."""

    @property
    def compact(self) -> str:
        return self.folded.replace(" ", "")


def analyse(text: str) -> Phrase:
    folded = fold(text)
    words = folded.split()
    found: dict[str, tuple[float, str]] = {}
    for word in _GREETING.sub(" ", folded).split():
        key, weight = key_and_weight(word)
        if key not in found:
            found[key] = (weight, word)
    weights = tuple(weight for weight, _ in found.values())
    return Phrase(folded, len(words), tuple(found), weights, tuple(word for _, word in found.values()), sum(weights))


def warm_up() -> None:
    """Load the stemmers (blocking), so that the first utterance does not."""
    _stemmer("russian")
    _stemmer("english")


def letters_and_digits(text: str) -> int:
    """How many characters of a text carry meaning: one or none can match nothing."""
    return sum(character.isalnum() for character in text)
