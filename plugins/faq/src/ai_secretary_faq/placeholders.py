"""`{current_time}`, `{current_date}`, `{day_of_week}` in the person's language and time zone."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel.dates import format_date

from ai_secretary.storage import now

NAMES = ("current_time", "current_date", "day_of_week")
_PLACEHOLDER = re.compile(r"\{(" + "|".join(NAMES) + r")\}")


def _locale(language: str) -> Locale:
    try:
        return Locale.parse(language, sep="-")
    except (UnknownLocaleError, ValueError):
        return Locale.parse("en")


def fill(answer: str, language: str, timezone: str, moment: datetime | None = None) -> str:
    """The answer with its placeholders filled; other braces stay as they are. `timezone` is an IANA name, unknown: UTC."""
    if "{" not in answer:
        return answer
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        zone = ZoneInfo("UTC")
    local = (moment or now()).astimezone(zone)
    locale = _locale(language)

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name == "current_time":
            return f"{local:%H:%M}"
        if name == "day_of_week":
            return format_date(local, "EEEE", locale=locale)
        # Russian dates are read as 24.11.2026; in English digits would be ambiguous.
        return format_date(local, "dd.MM.y" if locale.language == "ru" else "long", locale=locale)

    return _PLACEHOLDER.sub(value, answer)
