"""Parts that need no browser: markdown, formats, settings, tickets, addresses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Literal

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError
from starlette.datastructures import Headers

from ai_secretary.i18n import set_language
from ai_secretary_ui import formatting
from ai_secretary_ui.components.media import _last_block, markdown_html
from ai_secretary_ui.components.settings_form import _plain, _range, explain, mask
from ai_secretary_ui.components.status import _spark
from ai_secretary_ui.media import SpeechOrder, SpeechTickets
from ai_secretary_ui.pages.account import device
from ai_secretary_ui.pages.chat.thread import timing_words
from ai_secretary_ui.pages.llm.personas import _latin
from ai_secretary_ui.pages.voices import speed_words
from ai_secretary_ui.shell.frame import initials
from ai_secretary_ui.shell.login import safe_next, same_origin
from ai_secretary_ui.statistics import percentile


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/pixel.png)",
        "<iframe src=//evil.example></iframe>",
        '<a href="x" onclick="alert(1)">x</a>',
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_markdown_runs_nothing_and_loads_nothing(attack: str) -> None:
    html = markdown_html(attack)
    for live in ("<script", "<img", "<iframe", 'href="javascript', 'href="data', '<a href="x" onclick'):
        assert live not in html


def test_markdown_keeps_what_is_meant() -> None:
    html = markdown_html("**b** `c` [l](https://example.com)\n\n- one\n- two\n\n| a |\n|---|\n| 1 |")
    assert "<strong>b</strong>" in html
    assert "<code>c</code>" in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert "<li>one</li>" in html
    assert "<td>1</td>" in html


def test_streaming_fixes_finished_blocks_only() -> None:
    assert _last_block("one") == 0
    assert _last_block("one\n\ntwo") == len("one\n\n")
    assert _last_block("```\ncode\n\nmore") == 0, "inside a fence nothing is finished"
    assert _last_block("1. a\n\n2. b") == 0, "a list may go on after a blank line"
    assert _last_block("text\n\n    more of the list item") == 0


def test_numbers_follow_the_language() -> None:
    set_language("ru")
    assert formatting.number(12400) == "12\u00a0400"
    assert formatting.seconds(0.94) == "0,94\u00a0с"
    assert formatting.percent(0.87) == "87\u00a0%"
    assert formatting.size(4_600_000_000) == "4,6\u00a0ГБ"
    assert formatting.number(-71) == "−71"
    set_language("en")
    assert formatting.number(12400) == "12,400"
    assert formatting.seconds(0.94) == "0.94\u00a0s"
    assert formatting.percent(0.87) == "87%"
    assert formatting.dollars(0.0042) == "$0.0042"


def test_times_are_the_shortest_exact_words() -> None:
    set_language("en")
    formatting.set_timezone("UTC")
    present = datetime.now(UTC)
    assert formatting.when(present) == "now"
    assert formatting.when(present - timedelta(days=400)).endswith(str((present - timedelta(days=400)).year))
    assert formatting.duration(134) == "2:14"
    assert formatting.duration(3734) == "1:02:14"


def test_timings_in_words() -> None:
    set_language("en")
    assert timing_words(640.0, 1640.0, 38) == "first word 0.64\u00a0s · 38\u00a0tok/s"
    assert timing_words(None, 20.0, 0) == "0.02\u00a0s"
    assert timing_words(None, 0, 0) == ""


def test_speed_says_what_it_means() -> None:
    set_language("en")
    assert speed_words(1.0) == "1.00 — normal"
    assert speed_words(0.6).endswith("slow, for dictating")
    assert speed_words(2.0).endswith("fast")


@pytest.mark.parametrize(
    ("asked", "led"),
    [
        ("/ui/chat?id=conv_1", "/ui/chat?id=conv_1"),
        ("/ui/", "/ui/"),
        ("", "/ui/"),
        ("https://evil.example/ui/", "/ui/"),
        ("//evil.example/ui/", "/ui/"),
        ("/\\evil.example", "/ui/"),
        ("/ui/login", "/ui/"),
        ("/ui/_nicegui/x", "/ui/"),
        ("/admin/users", "/ui/"),
        ("javascript:alert(1)", "/ui/"),
    ],
)
def test_login_leads_only_to_pages_of_the_admin(asked: str, led: str) -> None:
    assert safe_next(asked) == led


@pytest.mark.parametrize(
    ("headers", "own"),
    [
        ({"host": "a:1", "origin": "http://a:1"}, True),
        ({"host": "a:1", "origin": "http://b:1"}, False),
        ({"host": "a:1", "origin": "null"}, True),
        ({"host": "a:1", "origin": "null", "sec-fetch-site": "cross-site"}, False),
        ({"host": "a:1", "sec-fetch-site": "cross-site"}, False),
        ({"host": "a:1"}, True),
    ],
)
def test_forms_come_from_this_server(headers: dict[str, str], own: bool) -> None:
    assert same_origin(SimpleNamespace(headers=Headers(headers))) is own  # type: ignore[arg-type]  # only headers are read


def test_a_ticket_is_spoken_once_and_by_its_owner() -> None:
    tickets = SpeechTickets()
    ticket = tickets.offer(SpeechOrder("usr_1", "hello")).rpartition("/")[2]
    assert tickets.take(ticket, "usr_2") is None
    order = tickets.take(ticket, "usr_1")
    assert order is not None
    assert order.text == "hello"
    assert tickets.take(ticket, "usr_1") is None


def test_old_tickets_make_room() -> None:
    tickets = SpeechTickets()
    first = tickets.offer(SpeechOrder("u", "x")).rpartition("/")[2]
    for _number in range(600):
        tickets.offer(SpeechOrder("u", "x"))
    assert len(tickets._orders) <= 500
    assert tickets.take(first, "u") is None


class Options(BaseModel):
    key: SecretStr = SecretStr("")
    share: float = Field(0.5, ge=0, le=1)
    mode: Literal["a", "b"] = "a"
    note: str | None = None


def test_settings_read_ranges_and_optionals() -> None:
    assert _range(Options.model_fields["share"]) == (0.0, 1.0)
    assert _plain(Options.model_fields["note"].annotation) == (str, True)
    assert _plain(int) == (int, False)


def test_validation_errors_speak_the_readers_language() -> None:
    set_language("ru")
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({"share": 3})
    problem = caught.value.errors()[0]
    assert explain(problem["type"], problem["ctx"], problem["msg"]) == "Не больше 1.0"
    assert explain("value_error", {}, "Value error, own words") == "own words"


def test_secrets_are_masked() -> None:
    assert mask("sk-0123456789abcd4f2a") == "•••• 4f2a"
    assert mask("short") == "•••• "


def test_small_things() -> None:
    assert initials("Анна Петрова") == "АП"
    assert initials("admin") == "AD"
    assert _latin("щука ёж") == "schuka ezh"
    assert percentile([], 0.5) is None
    assert percentile([5, 1, 3], 0.5) == 3
    assert device("Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0 Safari/537.36") == "Chrome · Linux"
    assert _spark([0, 1], "accent").count("polyline") == 1
