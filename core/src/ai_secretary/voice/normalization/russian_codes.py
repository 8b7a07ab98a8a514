# ruff: noqa: E501 - rules are read as a table, one a line
"""Codes, card and account numbers, serial names: read digit by digit, in small groups."""

from __future__ import annotations

import re

from ai_secretary.voice.normalization.numbers import digit_by_digit, with_leading_zeros

_BETWEEN = (
    r"(?:[\s:№#=«\"—–-]|подтверждения|доступа|активации|входа|безопасности|номер|для|из|смс|sms|ваш|получения|домофона|"
    r"товара|заказа|организации|клиента|паспорта|карты|счёта|счета|оплаты|это|вот|будет)*"
)
_CODE = re.compile(
    r"\b((?:\w+-)?(?:код\w{0,2}|пин\w{0,2}|pin|парол\w{1,2}|инн|огрн|огрнип|кпп|бик|снилс|окпо|кадастров\w+|паспорт\w?|карт[аыуе]|"
    rf"трек\w*|артикул\w?|промокод\w?|otp|imei|р/с|к/с|лицевой|договор\w?|полис\w?)\b{_BETWEEN})"
    r"(?<!\d)(\d(?:[\d -]{0,30}\d)?)(?![\d.,:]*\d)(?!\s*(?:₽|руб|%|коп|\$|€|час|мин|дн|сут|лет|год|раз|шт|чел|стран|т(?:ыс)|млн))",
    re.IGNORECASE,
)
_CARD = re.compile(r"(?<![\d-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{1,3})?(?![\d-])")
_MONTH = r"(?!\s+(?:янв|фев|мар|апр|ма[йя]|июн|июл|авг|сен|окт|ноя|дек)|\s*[.:]\d)"
_LEADING_ZERO = re.compile(rf"(?<!\d )(?<![\d.,:/+№-])0\d{{1,11}}(?![\d]|[.,:/-]\d|\s+по\s|\s*%| \d{{3}}(?!\d)){_MONTH}")
_LONG = re.compile(r"(?<![\d.,:/+-])\d{10,24}(?![\d]|[.,:/-]\d|\s*(?:₽|руб|\$|€|%))")
_ALNUM_DASH = re.compile(r"(?<=[A-ZА-ЯЁ])-(?=\d)|(?<=\d)-(?=[A-ZА-ЯЁ]{1,4}\b)")
_PLATE = re.compile(r"\b([АВЕКМНОРСТУХ])\s?(\d{3})\s?([АВЕКМНОРСТУХ]{2})\s?(\d{2,3})\b")
_LETTER_NAMES = dict(zip("АВЕКМНОРСТУХ", ["а", "вэ", "е", "ка", "эм", "эн", "о", "эр", "эс", "тэ", "у", "ха"], strict=True))


def speak_codes(text: str) -> str:
    text = _CARD.sub(lambda match: _groups(match[0]), text)
    text = _CODE.sub(_code, text)
    return _PLATE.sub(_plate, text)


def speak_long_numbers(text: str) -> str:
    """What is left after telephones: leading zeros, runs of ten digits and more, `A-320`."""
    text = _LEADING_ZERO.sub(lambda match: _groups(match[0]) if len(match[0]) > 2 else with_leading_zeros(match[0]), text)
    text = _LONG.sub(lambda match: _groups(match[0]), text)
    return _ALNUM_DASH.sub(" ", text)


def _plate(match: re.Match[str]) -> str:
    letters = " ".join(_LETTER_NAMES[letter] for letter in match[3])
    return f"{_LETTER_NAMES[match[1]]} {with_leading_zeros(match[2])} {letters} {with_leading_zeros(match[4])}"


def _code(match: re.Match[str]) -> str:
    label, written = match[1], match[2]
    if len(re.sub(r"\D", "", written)) < 4 and not written.startswith("0"):
        return match[0]
    return label + _groups(written)


def _groups(written: str) -> str:
    """Groups as they were written; a long run without any is cut into threes (fours for card lengths)."""
    parts = re.findall(r"\d+", written)
    if len(parts) == 1 and len(parts[0]) > 5:
        size = 4 if len(parts[0]) % 4 == 0 and len(parts[0]) > 12 else 3
        digits = parts[0]
        parts = [digits[index : index + size] for index in range(0, len(digits), size)]
        if len(parts[-1]) == 1:
            parts[-2:] = [parts[-2] + parts[-1]]
    return ", ".join(digit_by_digit(part) for part in parts)
