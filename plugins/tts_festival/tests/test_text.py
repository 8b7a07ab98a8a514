"""What reaches Festival, and that nothing else can."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai_secretary_tts_festival.text import MAX_PHRASE, MAX_WORD, phrases, scheme_string

SAFE = re.compile(r"[а-яё0-9][а-яё0-9 .,!?;:-]*")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Привет, как дела?", ["привет, как дела?"]),
        ("Запись «на завтра» — в 12:30!", ["запись на завтра, в 12 30!"]),
        ("Раз. Два! Три", ["раз.", "два!", "три"]),
        ("Ёлка и объём", ["ёлка и объём"]),
        ("за́мок", ["замок"]),
        ("слово , слово . Ещё…", ["слово, слово.", "ещё."]),
        ("Wi-Fi и Telegram", ["ви-фи и телеграм"]),
        ("Київ", ["кийив"]),
        ("№ 5", ["номер 5"]),
        ("", []),
        ("... !!! ?", []),
        ("👍 🙂", []),
        ("кто-то", ["кто-то"]),
    ],
)
def test_text_becomes_what_the_voice_can_say(text: str, said: list[str]) -> None:
    assert phrases(text) == said


@given(st.text())
def test_whatever_comes_only_safe_phrases_leave(text: str) -> None:
    for phrase in phrases(text):
        assert SAFE.fullmatch(phrase)
        assert len(phrase) <= MAX_PHRASE
        assert all(len(word.rstrip(".,!?;:")) <= MAX_WORD for word in phrase.split())


@given(st.text(alphabet='"\\() а\n', max_size=40))
def test_a_scheme_string_ends_only_at_its_own_end(text: str) -> None:
    quoted = scheme_string(text)
    assert quoted[0] == quoted[-1] == '"'
    assert re.fullmatch(r'(?:[^"\\]|\\.)*', quoted[1:-1], re.DOTALL)


def test_a_long_text_is_cut_at_words() -> None:
    text = " ".join(["слово"] * 500)
    cut = phrases(text)
    assert " ".join(cut) == text
    assert len(cut) == 10
