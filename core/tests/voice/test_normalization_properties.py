"""Whatever is written, reading it aloud ends, fails never and gives nothing a voice would stumble over."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai_secretary.voice.normalization import normalise, normalise_off_loop, plain_text

FRAGMENTS = st.sampled_from(
    [
        "12",
        "₽",
        "$",
        "%",
        "10:30",
        "12.05.2024",
        "+7",
        "912",
        "345-67-89",
        "a@b.ru",
        "https://x.ru",
        "**",
        "_",
        "`",
        "```",
        "<b>",
        "</b>",
        "[a](b)",
        "|",
        "---",
        "#",
        "-",
        "1.",
        "т.е.",
        "Dr.",
        "XX",
        "1/2",
        "5-7",
        "№",
        "°C",
        "(",
        ")",
        "«",
        "»",
        "…",
        "😀",
        "\u200b",
        "́",
        "\u202e",
        "привет",
        "hello",
        "ООО",
        "-",
    ]
)
TEXT = st.lists(st.one_of(FRAGMENTS, st.text(max_size=8)), max_size=12).map(" ".join)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(text=TEXT, language=st.sampled_from(["ru", "en", "de"]))
def test_any_text_can_be_read(text: str, language: str) -> None:
    spoken = normalise(text, language)
    assert spoken == spoken.strip()
    assert all(unicodedata.category(character) not in ("Cc", "Cf", "Cs") for character in spoken)
    assert spoken == "" or any(character.isalnum() for character in spoken)
    if language == "ru":
        assert not any(character in "*`#|<>_{}~^@%₽$€" for character in spoken)


@pytest.mark.parametrize(
    "hostile",
    ["<" * 5000, "[" * 5000, "*" * 5000 + "а", "(" * 5000, "1" * 5000, "1-" * 2500, "a." * 2500, "`" * 4999, "\n|" * 2500],
)
def test_hostile_text_does_not_take_long(hostile: str) -> None:
    import time

    for language in ("ru", "en"):
        started = time.perf_counter()
        normalise(hostile, language)
        assert time.perf_counter() - started < 5


async def test_off_the_loop_gives_the_same() -> None:
    assert await normalise_off_loop("Цена 5 ₽", "ru") == normalise("Цена 5 ₽", "ru") == "Цена пять рублей"


def test_other_languages_lose_only_their_markup() -> None:
    assert plain_text("**Guten Tag**, 5 Euro 😀", "de") == "Guten Tag, 5 Euro"
