from __future__ import annotations

from datetime import UTC, datetime

from ai_secretary_faq.placeholders import fill

EVENING = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)  # Tuesday in London, already Wednesday in Moscow


def test_the_time_is_that_of_the_person() -> None:
    assert fill("Сейчас {current_time}", "ru", "Europe/London", EVENING) == "Сейчас 21:30"
    assert fill("Сейчас {current_time}", "ru", "Europe/Moscow", EVENING) == "Сейчас 00:30"
    assert fill("Now {current_time}", "en", "America/New_York", EVENING) == "Now 16:30"


def test_date_and_weekday_are_in_the_language_of_the_turn() -> None:
    answer = "{day_of_week}, {current_date}"
    assert fill(answer, "ru", "Europe/Moscow", EVENING) == "среда, 25.11.2026"
    assert fill(answer, "en", "Europe/London", EVENING) == "Tuesday, November 24, 2026"
    assert fill(answer, "en-GB", "Europe/London", EVENING) == "Tuesday, 24 November 2026"


def test_other_braces_stay_and_nothing_can_be_reached_through_them() -> None:
    text = "{name} {} {{current_time}} {current_time.__class__} {0} {current_tim} } {"
    assert fill(text, "ru", "UTC", EVENING) == text.replace("{{current_time}}", "{21:30}")


def test_an_unknown_zone_or_language_still_answers() -> None:
    assert fill("{current_time}", "ru", "Mars/Olympus", EVENING) == "21:30"
    assert fill("{day_of_week}", "xx", "UTC", EVENING) == "Tuesday"
    assert fill("{day_of_week}", "../etc", "../../etc/passwd", EVENING) == "Tuesday"
