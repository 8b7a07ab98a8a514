# ruff: noqa: E501 - rules are read as a table, one a line
"""Russian text for speech.

The grammar (cases, agreement, years, units, abbreviations) is the library `ru-normalizr`'s; what it reads badly is said in words
before it sees it: links, telephones, codes, clock times, ranges, money, Latin words.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from ai_secretary.voice.normalization.latin import in_russian, russify
from ai_secretary.voice.normalization.links import speak_links
from ai_secretary.voice.normalization.numbers import bare_thousand
from ai_secretary.voice.normalization.phones import speak_phones
from ai_secretary.voice.normalization.russian_codes import speak_codes, speak_long_numbers
from ai_secretary.voice.normalization.russian_money import speak_money
from ai_secretary.voice.normalization.russian_time import speak_ranges, speak_times
from ai_secretary.voice.normalization.yo import restore_yo

_DAYS = {
    "пн": ("понедельник", "понедельника", "понедельник"), "вт": ("вторник", "вторника", "вторник"),
    "ср": ("среда", "среды", "среду"), "чт": ("четверг", "четверга", "четверг"), "пт": ("пятница", "пятницы", "пятницу"),
    "сб": ("суббота", "субботы", "субботу"), "вс": ("воскресенье", "воскресенья", "воскресенье"),
}  # fmt: skip
_DAY = "пн|вт|ср|чт|пт|сб|вс"
_DAY_RANGE = re.compile(rf"\b({_DAY})\.?\s?[-–—]\s?({_DAY})\b\.?(?!\w)", re.IGNORECASE)
_DAY_ALONE = re.compile(rf"(?<!\d)(?<!\d )\b({_DAY})\b(?=\s?[,:;]|\.\s?[,:;]|\s+(?:и|с|в|до)\s|\s?$)", re.IGNORECASE)

_ABBREVIATIONS = [
    (re.compile(pattern), spoken)
    for pattern, spoken in (
        (r"\bв\s?т\.\s?ч\.", "в том числе"), (r"\b[Ии]м\.\s?(?=[А-ЯЁ])", "имени "), (r"\b([Пп])роф\.\s?(?=[А-ЯЁ])", r"\1рофессор "),
        (r"\b([Аа])кад\.\s?(?=[А-ЯЁ])", r"\1кадемик "), (r"\b([Тт])ел\.:?\s?(?=[\d+пвд(])", r"\1елефон "), (r"\b[Мм]об\.", "мобильный"),
        (r"\bи\s+пр\.", "и прочее"), (r"\b([Нн])апр\.", r"\1апример"), (r"\bг-н\b", "господин"), (r"\bГ-н\b", "Господин"),
        (r"\b([Гг])-жа\b", r"\1оспожа"), (r"\b([Кк])ол-во\b", r"\1оличество"), (r"\b([Рр])-н\b", r"\1айон"),
        (r"\bд\.\s?(?=\d)", "дом "), (r"\b(?:к|корп)\.\s?(?=\d)", "корпус "), (r"\bоф\.\s?(?=\d)", "офис "), (r"\bэт\.", "этаж"),
        (r"\bподъезд\.\s?", "подъезд "), (r"\b24\s?/\s?7\b", "двадцать четыре на семь"), (r"№\s?№", "номера "),
        (r"\bб/у\b", "бэ у"), (r"\bж/д\b", "железнодорожный"), (r"\b([Дд])-р\b", r"\1октор"), (r"\bмин-во\b", "министерство"),
        (r"\bI\s+(?=миров)", "первая "), (r"\bII\s+(?=миров)", "вторая "), (r"(?<=\d)\s?[хx×](?=\s?\d)", " на "),
        (r"±\s?", " плюс-минус "), (r"≈\s?", "примерно "), (r"\bср\.\s(?=знач)", "среднее "), (r"\bОК\b", "окей"), (r"\bИНН\b", "и эн эн"), (r"\b[ОоOo]к\.\s?(?=\d)", "около "),
        (r"\b(?:CO2|СО2|CO₂)", "це о два"), (r"\bH2O\b|\bH₂O", "аш два о"), (r"(?<=\b[оО] )нем\b|(?<=\b[вВ] )нем\b|(?<=\bна )нем\b", "нём"),
        (r"\bчел\.(?=\s|$)", "человек"), (r"\bмлн\.", "млн"), (r"\bмлрд\.", "млрд"), (r"\bт\.\s?е\.", "то есть"), (r"\bт\.\s?к\.", "так как"),
    )
]  # fmt: skip

_ANNIVERSARY = re.compile(r"\b(\d{1,4})-(лет)(?=и[еяюий])")

_ROMAN = re.compile(r"(?=[IVXLCDM])M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_UNITS = frozenset(
    [
        "kg",
        "km",
        "cm",
        "mm",
        "m",
        "g",
        "l",
        "ml",
        "gb",
        "mb",
        "tb",
        "kb",
        "hz",
        "khz",
        "mhz",
        "ghz",
        "w",
        "kw",
        "v",
        "mah",
        "c",
        "f",
        "mbps",
        "gbps",
        "usd",
        "eur",
        "rub",
        "nm",
    ]
)
_LATIN_WORD = re.compile(r"(?<![A-Za-z])([A-Za-z]+(?:-(?:fi|mail)(?![a-z]))?)(?![A-Za-z])", re.IGNORECASE)
_CYRILLIC_TAIL = re.compile(r"(?<=[A-Za-z])-(?=[а-яё])")

_THOUSAND = re.compile(r"(?:(\w+)\s+)?\b([Оо]дна тысяча|[Оо]дной тысячи|[Оо]дной тысяче|[Оо]дну тысячу|[Оо]дной тысячей)\b")
_NUMERAL_BEFORE = re.compile(
    r"(?:дцать|сорок|десят|девяносто|сто|ста|сот|двести|триста|четыреста|миллион\w*|миллиард\w*)$", re.IGNORECASE
)
_STRESS = "\u0301\u0300"
_QUOTES = re.compile("[\"«»“”„‟‹›`]|(?<!\\w)['’‘]|['’‘](?!\\w)")
_SIGNS = (
    ("&", " и "), ("@", " собака "), ("+", " плюс "), ("=", " равно "), ("%", " процентов "), ("§", " параграф "), ("№", " номер "),
    ("°", " градусов "), ("©", " "), ("®", " "), ("™", " "), ("/", " "), ("\\", " "), ("_", " "), ("#", " "), ("*", " "), ("^", " "),
    ("|", " "), ("~", " "), ("<", " "), (">", " "), ("{", " "), ("}", " "), ("[", ", "), ("]", ", "), ("(", ", "), (")", ", "),
    ("•", ", "), ("·", " "), ("−", " минус "), ("×", " на "), ("₽", " рублей "), ("$", " долларов "), ("€", " евро "),
)  # fmt: skip
_MARKS = re.compile(r"\s*([,;:])(?:\s*[,;:])+\s*|\s+([,;:.!?…])")
_MARK_THEN_END = re.compile(r"[,;:](?=\s*[.!?…])")
_START = re.compile(r"^[\s,;:.!?…—–-]+")
_SPACES = re.compile(r"\s{2,}")
_LONG_DASH = re.compile(r"\s+[–—-]\s+")


@cache
def _library() -> Any:
    from ru_normalizr import NormalizeOptions, Normalizer

    return Normalizer(
        NormalizeOptions.tts(
            letter_vowel_mode="single", remove_links=False, enable_url_normalization=False, enable_latinization=False,
            enable_first_word_decap=False,
        )
    )  # fmt: skip


def read_aloud(text: str) -> str:
    """`text` (plain prose) in words; stress marks U+0301 are dropped, ё is restored where there is no choice."""
    text = text.translate({ord(mark): None for mark in _STRESS})
    text = speak_links(text, "ru")
    text = speak_codes(text)
    text = speak_phones(text, "ru")
    text = speak_long_numbers(text)
    for pattern, spoken in _ABBREVIATIONS:
        text = pattern.sub(spoken, text)
    text = _ANNIVERSARY.sub(_anniversary, _days(text))
    text = speak_money(text)
    text = speak_times(text)
    text = speak_ranges(text)
    text = _latin(text)
    text = str(_library().normalize(text))
    text = _finish(russify(text))
    return restore_yo(text)


def _days(text: str) -> str:
    def day_range(match: re.Match[str]) -> str:
        return f"с {_DAYS[match[1].casefold()][1]} по {_DAYS[match[2].casefold()][2]}"

    text = _DAY_RANGE.sub(day_range, text)
    return _DAY_ALONE.sub(lambda match: _DAYS[match[1].casefold()][0], text)


def _anniversary(match: re.Match[str]) -> str:
    """`25-летие` is built like `25-летний`, which the library knows."""
    return str(_library().normalize(f"{match[1]}-летний")).strip().removesuffix("ний").lower()


def _latin(text: str) -> str:
    """Latin words by our own list and by sound; Roman numerals and units are left for the grammar."""

    def word(match: re.Match[str]) -> str:
        latin = match[1]
        if latin.isupper() and _ROMAN.fullmatch(latin) and latin not in ("CD", "C", "D", "M", "L", "DM", "XL", "MIX"):
            return latin
        if latin.casefold() in _UNITS and re.search(r"[\d°]\s?$", match.string[: match.start()]):
            return latin
        return in_russian(latin)

    return _LATIN_WORD.sub(word, text)


def _finish(text: str) -> str:
    text = _THOUSAND.sub(_thousand, text)
    text = _QUOTES.sub("", text)
    for sign, spoken in _SIGNS:
        if sign in text:
            text = text.replace(sign, spoken)
    text = _LONG_DASH.sub(" — ", text)
    text = _SPACES.sub(" ", text)
    text = _MARKS.sub(lambda match: match[2] or f"{match[1]} ", text)
    text = _MARK_THEN_END.sub("", text)
    return _START.sub("", _SPACES.sub(" ", text)).strip().rstrip(",;:—– ")


def _thousand(match: re.Match[str]) -> str:
    before, words = match[1], match[2]
    if before and _NUMERAL_BEFORE.search(before):
        return match[0]
    bare = bare_thousand(words.lower())
    if words[0].isupper():
        bare = bare[0].upper() + bare[1:]
    return f"{before} {bare}" if before else bare
