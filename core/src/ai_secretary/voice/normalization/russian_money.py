"""Sums of money in Russian: the currency's name in the case that the sentence asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai_secretary.voice.normalization.numbers import (
    CENT,
    DOLLAR,
    EURO,
    KOPECK,
    PENNY,
    POUND,
    RUBLE,
    STAR,
    SUM,
    TENGE,
    YEN,
    Case,
    Noun,
    cardinal,
    governed_case,
)  # fmt: skip


@dataclass(slots=True, frozen=True)
class _Currency:
    unit: Noun
    fraction: Noun | None


_CURRENCIES = {
    "₽": _Currency(RUBLE, KOPECK), "$": _Currency(DOLLAR, CENT), "€": _Currency(EURO, CENT), "£": _Currency(POUND, PENNY),
    "¥": _Currency(YEN, None), "₸": _Currency(TENGE, None), "сум": _Currency(SUM, None), "xtr": _Currency(STAR, None),
    "коп": _Currency(KOPECK, None),
}  # fmt: skip
_ALIASES = {
    "руб": "₽",
    "р": "₽",
    "rub": "₽",
    "rur": "₽",
    "usd": "$",
    "долл": "$",
    "eur": "€",
    "gbp": "£",
    "kzt": "₸",
    "uzs": "сум",
    "тг": "₸",
}

_NUMBER = r"(?:\d{1,3}(?:[ ,.]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?)(?![\d])"
_SCALE = r"(?:\s?(тыс|млн|млрд|трлн|[kKкКmMмМ](?![\w²]))(?:\.|(?![а-яё])))?"
_AFTER = r"(?:(₽|\$|€|£|¥|₸)|(руб|долл|коп|тг|р)\.(?=\W|$)|(руб|RUB|RUR|USD|EUR|GBP|KZT|UZS|XTR|сум)(?![A-Za-zА-Яа-яЁё]))"
_PER = r"(?:\s?/\s?(мес|месяц|год|час|ч|день|сутки|сут|нед|неделю|шт|чел|кг|м²|м2|мин|минуту|ночь|л|км)\b\.?)?"
_BEFORE_WORD = r"(?:\b([А-Яа-яЁё]+)(\s+))?"
_SYMBOL_LAST = re.compile(rf"{_BEFORE_WORD}(?<![\w.,:])(-|−|–)?({_NUMBER})(?:\s?[–—-]\s?({_NUMBER}))?{_SCALE}\s?{_AFTER}{_PER}")
_SYMBOL_FIRST = re.compile(
    rf"{_BEFORE_WORD}(?<![\w.,:])(-|−|–)?([$€£¥₽₸])\s?({_NUMBER})(?:\s?[–—-]\s?[$€£¥₽₸]?({_NUMBER}))?{_SCALE}{_PER}"
)
_SCALES = {"k": "тыс", "к": "тыс", "m": "млн", "м": "млн"}
_PER_WORDS = {
    "мес": "в месяц", "месяц": "в месяц", "год": "в год", "час": "в час", "ч": "в час", "день": "в день", "сутки": "в сутки",
    "сут": "в сутки", "нед": "в неделю", "неделю": "в неделю", "шт": "за штуку", "чел": "с человека", "кг": "за килограмм",
    "м²": "за квадратный метр", "м2": "за квадратный метр", "мин": "за минуту", "минуту": "за минуту", "ночь": "за ночь",
    "л": "за литр", "км": "за километр",
}  # fmt: skip
_WORD_FORMS = {
    "₽": "рублей",
    "$": "долларов",
    "€": "евро",
    "£": "фунтов",
    "¥": "иен",
    "₸": "тенге",
    "сум": "сумов",
    "xtr": "звёзд",
    "коп": "копеек",
}


def speak_money(text: str) -> str:
    if not any(character.isdigit() for character in text):
        return text
    text = _SYMBOL_FIRST.sub(
        lambda match: _spoken(match, word=1, minus=3, low=5, high=6, scale=7, currency=match[4], per=8), text
    )
    return _SYMBOL_LAST.sub(_last, text)


def _last(match: re.Match[str]) -> str:
    currency = match[7] or match[8] or match[9]
    spoken = _spoken(match, word=1, minus=3, low=4, high=5, scale=6, currency=currency, per=10)
    # "руб." at the end of a sentence keeps the full stop.
    return spoken + "." if match[8] and _ends(match) else spoken


def _ends(match: re.Match[str]) -> bool:
    rest = match.string[match.end() :]
    return match[10] is None and (not rest.strip() or bool(re.match(r"\s+[А-ЯЁA-Z«\"]", rest)))


def _spoken(match: re.Match[str], *, word: int, minus: int, low: int, high: int, scale: int, currency: str, per: int) -> str:
    lead = (match[word] or "") + (match[word + 1] or "")
    symbol = currency.casefold().rstrip(".")
    symbol = _ALIASES.get(symbol, symbol)
    money = _CURRENCIES[symbol]
    case = governed_case(match[word] or "")
    sign = "минус " if match[minus] else ""
    tail = f" {_PER_WORDS[match[per]]}" if match[per] else ""
    if match[scale]:
        # The normaliser that runs afterwards declines "1,5 млн"; the currency after thousands and millions is always genitive.
        amount, unit = _digits(match[low]), _SCALES.get(match[scale].casefold(), match[scale])
        if match[high]:
            return f"{lead}от {amount} до {_digits(match[high])} {unit} {_WORD_FORMS[symbol]}{tail}"
        return f"{lead}{sign}{amount} {unit} {_WORD_FORMS[symbol]}{tail}"
    if match[high]:
        units = f"{_bare(match[low], money, 'g')} до {_amount(match[high], money, 'g')}"
        opening = lead if (match[word] or "").casefold() in ("от", "с") else f"{lead}от "
        return f"{opening}{units}{tail}"
    return f"{lead}{sign}{_amount(match[low], money, case)}{tail}"


def _parse(written: str) -> tuple[int, str]:
    """Whole units and the digits of the fraction. A mark before one or two last digits is decimal, others are thousands."""
    match = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?", written)
    assert match is not None
    return int(re.sub(r"\D", "", match[1])), match[2] or ""


def _digits(written: str) -> str:
    whole, fraction = _parse(written)
    return f"{whole},{fraction}" if fraction else str(whole)


def _bare(written: str, money: _Currency, case: Case) -> str:
    whole, fraction = _parse(written)
    return _amount(written, money, case) if fraction.strip("0") else cardinal(whole, case, money.unit.gender)


def _amount(written: str, money: _Currency, case: Case) -> str:
    whole, fraction = _parse(written)
    parts = int(fraction.ljust(2, "0")) if fraction else 0
    if parts and money.fraction is None:
        return f"{_digits(written)} {money.unit.few}"
    if whole == 0 and parts and money.fraction is not None:
        return money.fraction.counted(parts, case)
    spoken = money.unit.counted(whole, case)
    if parts and money.fraction is not None:
        spoken += " " + money.fraction.counted(parts, case)
    return spoken
