# ruff: noqa: E501 - rules are read as a table, one a line
"""Russian number words and the nouns that follow them, in any case."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from num2words import num2words

Case = Literal["n", "g", "d", "a", "i", "p"]
Gender = Literal["m", "f", "n"]

DIGITS = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")


@lru_cache(maxsize=8192)
def cardinal(number: int, case: Case = "n", gender: Gender = "m") -> str:
    """`21, g, f` → `двадцати одной`. A leading "one" before thousand is left out, as people say it."""
    if number < 0:
        return f"минус {cardinal(-number, case, gender)}"
    words = str(num2words(number, lang="ru", case=case, gender=gender, animate=False))
    return bare_thousand(words)


@lru_cache(maxsize=4096)
def ordinal(number: int, case: Case = "n", gender: Gender = "m") -> str:
    """`2024, g` → `две тысячи двадцать четвёртого`."""
    return bare_thousand(str(num2words(number, to="ordinal", lang="ru", case=case, gender=gender, animate=False)))


def bare_thousand(words: str) -> str:
    for one in ("одна тысяча", "одной тысячи", "одной тысяче", "одну тысячу", "одной тысячей", "одною тысячею"):
        if words.startswith(one):
            return words.partition(" ")[2]
    return words


def with_leading_zeros(digits: str) -> str:
    """`05` → `ноль пять`, `000` → `ноль ноль ноль`, `912` → `девятьсот двенадцать`."""
    rest = digits.lstrip("0")
    zeros = ["ноль"] * (len(digits) - len(rest))
    return " ".join([*zeros, *([cardinal(int(rest))] if rest else [])])


def digit_by_digit(digits: str) -> str:
    return " ".join(DIGITS[int(digit)] for digit in digits)


@dataclass(slots=True, frozen=True)
class Noun:
    """Forms that numbers need: `one` for 1, `few` for 2–4, `many` for 5, and the oblique cases (singular, plural)."""

    gender: Gender
    one: str
    few: str
    many: str
    accusative: str
    oblique: dict[str, tuple[str, str]]

    def after(self, number: int, case: Case = "n") -> str:
        """The form after `number` in `case`: 21 рубль, 22 рубля, 25 рублей; от 21 рубля, от 22 рублей."""
        last_two, last = number % 100, number % 10
        single = last == 1 and last_two != 11
        if case in ("n", "a"):
            if single:
                return self.accusative if case == "a" else self.one
            return self.few if 2 <= last <= 4 and not 12 <= last_two <= 14 else self.many
        return self.oblique[case][0 if single else 1]

    def counted(self, number: int, case: Case = "n") -> str:
        return f"{cardinal(number, case, self.gender)} {self.after(number, case)}"


def _noun(gender: Gender, one: str, few: str, many: str, accusative: str, rest: str) -> Noun:
    """`rest`: dative, instrumental and prepositional, singular/plural; the genitive is `few`/`many`."""
    dative, instrumental, prepositional = (tuple(pair.split("/")) for pair in rest.split())
    return Noun(
        gender, one, few, many, accusative,
        {"g": (few, many), "d": (dative[0], dative[1]), "i": (instrumental[0], instrumental[1]), "p": (prepositional[0], prepositional[1])},
    )  # fmt: skip


RUBLE = _noun("m", "рубль", "рубля", "рублей", "рубль", "рублю/рублям рублём/рублями рубле/рублях")
KOPECK = _noun("f", "копейка", "копейки", "копеек", "копейку", "копейке/копейкам копейкой/копейками копейке/копейках")
DOLLAR = _noun("m", "доллар", "доллара", "долларов", "доллар", "доллару/долларам долларом/долларами долларе/долларах")
CENT = _noun("m", "цент", "цента", "центов", "цент", "центу/центам центом/центами центе/центах")
EURO = _noun("m", "евро", "евро", "евро", "евро", "евро/евро евро/евро евро/евро")
POUND = _noun("m", "фунт", "фунта", "фунтов", "фунт", "фунту/фунтам фунтом/фунтами фунте/фунтах")
PENNY = _noun("m", "пенс", "пенса", "пенсов", "пенс", "пенсу/пенсам пенсом/пенсами пенсе/пенсах")
YEN = _noun("f", "иена", "иены", "иен", "иену", "иене/иенам иеной/иенами иене/иенах")
SUM = _noun("m", "сум", "сума", "сумов", "сум", "суму/сумам сумом/сумами суме/сумах")
TENGE = _noun("m", "тенге", "тенге", "тенге", "тенге", "тенге/тенге тенге/тенге тенге/тенге")
STAR = _noun("f", "звезда", "звезды", "звёзд", "звезду", "звезде/звёздам звездой/звёздами звезде/звёздах")
HOUR = _noun("m", "час", "часа", "часов", "час", "часу/часам часом/часами часе/часах")
MINUTE = _noun("f", "минута", "минуты", "минут", "минуту", "минуте/минутам минутой/минутами минуте/минутах")
SECOND = _noun("f", "секунда", "секунды", "секунд", "секунду", "секунде/секундам секундой/секундами секунде/секундах")


_PREPOSITIONS: dict[str, Case] = {
    **dict.fromkeys(
        ["без", "до", "от", "около", "из", "с", "со", "у", "для", "после", "против", "кроме", "выше", "ниже", "более", "менее", "больше", "меньше", "свыше", "порядка", "вместо", "ради", "ввиду", "вроде", "старше", "младше", "дороже", "дешевле", "размере", "сумме", "течение", "стоимостью"], "g"),
    **dict.fromkeys(["к", "ко", "благодаря", "согласно"], "d"),
    **dict.fromkeys(["за", "на", "в", "во", "через", "про", "стоит", "стоят", "стоил", "стоила", "стоило", "стоили", "стоить", "составит", "составляет"], "a"),
    **dict.fromkeys(["между", "над", "под", "перед"], "i"),
    **dict.fromkeys(["о", "об", "обо", "при"], "p"),
}  # fmt: skip


def governed_case(word_before: str) -> Case:
    """The case that the word before a number asks for; nominative where it says nothing."""
    return _PREPOSITIONS.get(word_before.casefold(), "n")
