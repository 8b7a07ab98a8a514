"""Telephone numbers, spoken in the groups in which people remember them."""

from __future__ import annotations

import re

from ai_secretary.voice.normalization.numbers import digit_by_digit, with_leading_zeros

_CANDIDATE = re.compile(
    r"(?<![\w.,+/-])(\+?\d[\d\s().\u2010-\u2015-]{7,20}\d)(?![\w])(?!\s*[₽$€£¥%])(?:(\s*,?\s*(?:доб|ext)\.?\s*)(\d{1,6}))?",
    re.IGNORECASE,
)
_THOUSANDS = re.compile(r"\d{1,3}(?: \d{3})+")
_PHONE_WORD = re.compile(
    r"(?:тел|телефон\w*|звон\w*|позвон\w*|номер\w*|моб\w*|факс\w*|phone|call|tel|mobile|fax|dial)[.:]?\s*$", re.IGNORECASE
)
_DATE_LIKE = re.compile(r"\d{1,4}[./-]\d{1,2}[./-]\d{1,4}")
_EXTENSION = re.compile(r"\bдоб\.?\s?(\d{1,6})\b", re.IGNORECASE)


def speak_phones(text: str, language: str) -> str:
    """`+7 912 345-67-89` → `плюс семь, девятьсот двенадцать, триста сорок пять, …`; English reads digit by digit."""

    def phone(match: re.Match[str]) -> str:
        groups = _groups(match[1], match.string[: match.start()])
        if groups is None:
            return match[0]
        spoken = ", ".join(_group(group, language) for group in groups)
        if match[3]:
            spoken += (", добавочный " if language == "ru" else ", extension ") + _group(match[3], language)
        return spoken

    text = _CANDIDATE.sub(phone, text)
    if language == "ru":
        text = _EXTENSION.sub(lambda match: f"добавочный {with_leading_zeros(match[1])}", text)
    return text


def _group(group: str, language: str) -> str:
    plus, digits = ("plus " if language == "en" else "плюс ") if group.startswith("+") else "", group.lstrip("+")
    if language == "ru":
        return plus + with_leading_zeros(digits)
    from ai_secretary.voice.normalization.english_numbers import digits as english_digits

    return plus + english_digits(digits)


def _groups(written: str, before: str) -> list[str] | None:
    """The spoken groups, None for what is not a valid telephone number."""
    digits = re.sub(r"\D", "", written)
    international = written.startswith("+")
    if not 10 <= len(digits) <= 15 or _DATE_LIKE.fullmatch(written):
        return None
    if _THOUSANDS.fullmatch(written) and not _PHONE_WORD.search(before):
        return None
    national = len(digits) == 11 and digits[0] in "78"
    if not international and not national and not (len(digits) == 10 and _PHONE_WORD.search(before)):
        return None
    if not international and written == digits and national and digits[1] not in "3489" and not _PHONE_WORD.search(before):
        return None
    import phonenumbers

    try:
        number = phonenumbers.parse(written, None if international else "RU")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    if number.country_code == 7:
        last = digits[-10:]
        prefix = "+7" if international else digits[:-10]
        return [group for group in (prefix, last[:3], last[3:6], last[6:8], last[8:]) if group]
    formatted = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    groups: list[str] = []
    for part in re.findall(r"\+?\d+", formatted):
        if len(part) <= 3 or part.startswith("+"):
            groups.append(part)
        else:
            groups.extend(_in_pairs(part))
    return groups


def _in_pairs(part: str) -> list[str]:
    """`1234` → `12 34`, `12345` → `123 45`."""
    head = 3 if len(part) % 2 else 0
    return [*([part[:head]] if head else []), *(part[index : index + 2] for index in range(head, len(part), 2))]


__all__ = ["digit_by_digit", "speak_phones"]
