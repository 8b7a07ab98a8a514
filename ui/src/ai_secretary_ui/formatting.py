"""Numbers, times and sizes as the reader's language writes them: no-break spaces before units, decimal comma in Russian."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from ai_secretary.i18n import Translator, current_language

_ = Translator("ui")

NBSP = "\u00a0"
_MONTHS_RU = (
    "января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip
_DAYS_RU = ("Понедельник", "Вторник", "Среда", "Четверг", "Пятница", "Суббота", "Воскресенье")
_SHORT_DAYS_RU = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")

_UNITS_RU = {"s": "с", "B": "Б", "KB": "КБ", "MB": "МБ", "GB": "ГБ", "K": "тыс.", "M": "млн", "kHz": "кГц", "tok/s": "ток/с"}

_zone: list[ZoneInfo] = [ZoneInfo("UTC")]


def set_timezone(name: str) -> None:
    """The installation's time zone, for every time that the admin shows."""
    _zone[0] = ZoneInfo(name)


def _local(value: datetime) -> datetime:
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(_zone[0])


def _russian() -> bool:
    return current_language() == "ru"


def unit(symbol: str) -> str:
    """A unit's symbol: "MB" or "МБ"."""
    return _UNITS_RU.get(symbol, symbol) if _russian() else symbol


def number(value: float, digits: int = 0) -> str:
    """`12400` → "12 400" or "12,400"; `digits` after the decimal sign."""
    shown = f"{abs(value):,.{digits}f}"
    if _russian():
        shown = shown.replace(",", NBSP).replace(".", ",")
    return ("−" if value < 0 else "") + shown


def seconds(value: float) -> str:
    """`0.94` → "0,94 с" or "0.94 s"."""
    return f"{number(value, 2 if value < 10 else 1)}{NBSP}{unit('s')}"


def milliseconds(value: float) -> str:
    """Milliseconds in seconds; what took any time at all is at least a hundredth."""
    return seconds(max(value / 1000, 0.01) if value > 0 else 0.0)


def percent(value: float) -> str:
    """A share 0–1 → "87 %" or "87%"."""
    return f"{number(value * 100)}{NBSP if _russian() else ''}%"


def size(value: float) -> str:
    """Bytes → "63 MB" or "4,6 ГБ" (powers of 1000)."""
    for limit, name in ((1e9, unit("GB")), (1e6, unit("MB")), (1e3, unit("KB"))):
        if value >= limit:
            amount = value / limit
            return f"{number(amount, 0 if amount >= 100 or amount == int(amount) else 1)}{NBSP}{name}"
    return f"{number(value)}{NBSP}{unit('B')}"


def dollars(value: float) -> str:
    """US dollars, with enough digits to see a small sum."""
    digits = 2 if value == 0 or value >= 0.1 else 4
    return f"{number(value, digits)}{NBSP}$" if _russian() else f"${number(value, digits)}"


def compact(value: float) -> str:
    """`412300` → "412 тыс." or "412K"."""
    for limit, name in ((1e6, unit("M")), (1e3, unit("K"))):
        if value >= limit:
            amount = value / limit
            return f"{number(amount, 0 if amount >= 100 else 1)}{NBSP if _russian() else ''}{name}"
    return number(value)


def clock(value: datetime) -> str:
    """Hours and minutes in the installation's time zone."""
    return _local(value).strftime("%H:%M")


def date(value: datetime) -> str:
    """ "23 ноября" or "23 November", with the year when it is not this one."""
    local = _local(value)
    month = _MONTHS_RU[local.month - 1] if _russian() else local.strftime("%B")
    year = f" {local.year}" if local.year != datetime.now(_zone[0]).year else ""
    return f"{local.day}{NBSP}{month}{year}"


def weekday(value: datetime) -> str:
    local = _local(value)
    return _DAYS_RU[local.weekday()] if _russian() else local.strftime("%A")


def moment(value: datetime) -> str:
    """Date and time to the second, for logs."""
    return f"{date(value)}, {_local(value).strftime('%H:%M:%S')}"


def when(value: datetime) -> str:
    """The shortest exact word for a list: "now", "12:40", "yesterday", "Sun", "23 November"."""
    local, present = _local(value), datetime.now(_zone[0])
    age = present - local
    if timedelta(0) <= age < timedelta(minutes=1):
        return _("now")
    if local.date() == present.date():
        return local.strftime("%H:%M")
    if local.date() == (present - timedelta(days=1)).date():
        return _("yesterday")
    if timedelta(0) <= age < timedelta(days=6):
        return _SHORT_DAYS_RU[local.weekday()] if _russian() else local.strftime("%a")
    return date(value)


def duration(value: float) -> str:
    """Seconds → "2:14", or "1:02:14" past an hour."""
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
