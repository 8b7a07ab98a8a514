"""Times of day, dates and ranges in Russian."""

from __future__ import annotations

import re
from collections.abc import Callable

from ai_secretary.voice.normalization.numbers import HOUR, MINUTE, SECOND, Case, Gender, cardinal, governed_case, ordinal
from ai_secretary.voice.normalization.yo import morphology

_TIME = r"(?<![\d:.,/])([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])"
_TIME_RANGE = re.compile(rf"(?:\b([Сс])\s+)?{_TIME}\s?[-–—]\s?{_TIME}")
_TIME_FROM_TO = re.compile(rf"\b([Сс])\s+{_TIME}\s+до\s+{_TIME}")
_TIME_ALONE = re.compile(rf"(?:\b([А-Яа-яЁё]+)(\s+))?{_TIME}(?:\s?(?:ч\b\.?|час\w*))?")
_DAY_AND_MONTH = re.compile(r"(?<![\d.])(0?[1-9]|[12]\d|3[01])\.(0[1-9]|1[0-2])(?=,?\s+(?:в|к|с|до)\s+\d{1,2}:\d\d)")
_HOUR_RANGE = re.compile(r"\b([Сс])\s+(\d{1,2})\s?[-–—]\s?(\d{1,2})(?![\d:.,]\d|\d)(?:\s?(?:ч\b\.?|час\w*))?")

_MONTHS = "января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
_DATE_RANGE = re.compile(rf"(?:\b([Сс])\s+)?(?<![\d.])(\d{{1,2}})\s?[-–—]\s?(\d{{1,2}})\s+({_MONTHS})\b", re.IGNORECASE)
_SLASHED = re.compile(r"(?<![\d/])(0?[1-9]|[12]\d|3[01])/(0?[1-9]|1[0-2])/(\d{4}|\d{2})(?![\d/])")
_DATE_NOMINATIVE = re.compile(
    rf"\b((?:сегодня|завтра|вчера|это|было)\s+(?:у\s+нас\s+)?)(\d{{1,2}})(?=\s+(?:{_MONTHS})\b)", re.IGNORECASE
)

_MEASURE = (
    r"(?:руб|₽|\$|€|км|кг|м\b|г\b(?!\.)|мл|л\b|чел|штук|шт|тыс|млн|раз|час|мин|слов|символ|знак|кал|ккал|лет|дн|стран|токен|"
    r"мб|гб|вт|в\b|%|°)"
)
_YEARS = re.compile(
    r"(?<![\d.,:/+-])(1[5-9]\d\d|20\d\d)\s?[-–—]\s?(1[5-9]\d\d|20\d\d)(?![\d-])"
    rf"(\s?(?:гг\.|гг|годов|годы|годах|годам))?(?!\s?{_MEASURE})",
    re.IGNORECASE,
)
_NUMBER = r"\d{1,3}(?:[ ]\d{3})+|\d{1,7}"
_RANGE = re.compile(
    rf"(?:\b([А-Яа-яЁё]+)(\s+))?(?<![\w.,:/+−-])({_NUMBER})\s?[-–—]\s?({_NUMBER})(?![\d]|[.,:/-]\d|[-–—]\s?\d|-?[A-Za-zА-Яа-яЁё])"
    r"(\s*%|(?=(?:\s+([А-Яа-яЁё]+))?))"
)


def speak_times(text: str) -> str:
    if ":" not in text:
        return text
    text = _DAY_AND_MONTH.sub(lambda match: f"{ordinal(int(match[1]), 'g', 'n')} {_MONTHS.split('|')[int(match[2]) - 1]}", text)
    text = _TIME_FROM_TO.sub(_range_of_times, text)
    text = _TIME_RANGE.sub(_range_of_times, text)
    return _TIME_ALONE.sub(_one_time, text)


def speak_ranges(text: str) -> str:
    """Dates first, then hours, years, and what is left are plain numbers."""
    text = _SLASHED.sub(_slashed, text)
    text = _DATE_NOMINATIVE.sub(
        lambda match: match[1] + ordinal(int(match[2]), "n", "n") if int(match[2]) < 32 else match[0], text
    )
    text = _DATE_RANGE.sub(_date_range, text)
    text = _HOUR_RANGE.sub(_hour_range, text)
    text = _YEARS.sub(_year_range, text)
    return _RANGE.sub(_number_range, text)


def _clock(hour: int, minute: int, second: int | None, case: Case) -> str:
    if second:
        return f"{HOUR.counted(hour, case)} {MINUTE.counted(minute, case)} {SECOND.counted(second, case)}"
    if minute == 0:
        return HOUR.counted(hour, case)
    minutes = cardinal(minute, case) if minute > 9 else f"{cardinal(0, case) if case == 'n' else 'ноль'} {cardinal(minute, case)}"
    return f"{cardinal(hour, case)} {minutes}"


def _numbers(groups: tuple[str | None, ...]) -> tuple[int, int, int | None]:
    hour, minute, second = groups
    return int(hour or 0), int(minute or 0), int(second) if second is not None else None


def _range_of_times(match: re.Match[str]) -> str:
    start, end = _numbers(match.groups()[1:4]), _numbers(match.groups()[4:7])
    whole = start[1] == 0 and end[1] == 0 and not start[2] and not end[2]
    first = cardinal(start[0], "g") if whole else _clock(*start, "g")
    return f"{match[1] or 'с'} {first} до {_clock(*end, 'g')}"


def _one_time(match: re.Match[str]) -> str:
    word = (match[1] or "").casefold()
    if word in ("счёт", "счет", "счётом", "счетом"):
        return match[0]
    case = governed_case(word)
    spoken = _clock(*_numbers(match.groups()[2:5]), "n" if case in ("a", "i", "p") else case)
    return f"{match[1] or ''}{match[2] or ''}{spoken}"


def _hour_range(match: re.Match[str]) -> str:
    low, high = int(match[2]), int(match[3])
    if not (low < 24 and high <= 24):
        return match[0]
    hours = f" {HOUR.after(high, 'g')}" if re.search(r"ч", match[0].casefold()) else ""
    return f"{match[1]} {cardinal(low, 'g')} до {cardinal(high, 'g')}{hours}"


def _slashed(match: re.Match[str]) -> str:
    year = match[3] if len(match[3]) == 4 else f"20{match[3]}"
    return f"{int(match[1]):02d}.{int(match[2]):02d}.{year}"


def _date_range(match: re.Match[str]) -> str:
    low, high = int(match[2]), int(match[3])
    if not 0 < low < high <= 31:
        return match[0]
    return f"{match[1] or 'с'} {ordinal(low, 'g', 'n')} по {ordinal(high, 'n', 'n')} {match[4]}"


def _year_range(match: re.Match[str]) -> str:
    low, high = int(match[1]), int(match[2])
    if low >= high:
        return match[0]
    return f"с {ordinal(low, 'g')} по {ordinal(high)} год"


def _number_range(match: re.Match[str]) -> str:
    word, space, percent, noun = match[1] or "", match[2] or "", match[5].strip(), match[6]
    low, high = int(match[3].replace(" ", "")), int(match[4].replace(" ", ""))
    if low >= high:
        return match[0]
    case = governed_case(word)
    lead = f"{word}{space}"
    if high > 100 and case in ("n", "a"):
        middle = f"от {cardinal(low, 'g')} до"
        return f"{lead}{middle} {cardinal(high, 'g') + ' процентов' if percent else match[4]}"
    gender = _gender(noun) if noun else "m"
    first = cardinal(low, case, gender)
    if percent:
        return f"{lead}{first}-{cardinal(high, case)} {_PERCENT[case](high)}"
    if noun is not None and len(noun) <= 4 and noun.casefold() not in ("дня", "дней", "часа", "лет", "года", "раз", "раза"):
        # Probably a unit: the second number stays in digits, and the unit is declined after it.
        return f"{lead}{first} — {match[4]}"
    return f"{lead}{first}-{cardinal(high, case, gender)}"


def _percent_direct(number: int) -> str:
    if number % 10 == 1 and number % 100 != 11:
        return "процент"
    return "процента" if 2 <= number % 10 <= 4 and not 12 <= number % 100 <= 14 else "процентов"


_PERCENT: dict[Case, Callable[[int], str]] = {
    "n": _percent_direct, "a": _percent_direct, "g": lambda number: "процентов", "d": lambda number: "процентам",
    "i": lambda number: "процентами", "p": lambda number: "процентах",
}  # fmt: skip


def _gender(noun: str) -> Gender:
    for parse in morphology().parse(noun):
        if parse.tag.POS == "NOUN" and parse.tag.gender is not None:
            return {"masc": "m", "femn": "f", "neut": "n"}[str(parse.tag.gender)]  # type: ignore[return-value]
    return "m"
