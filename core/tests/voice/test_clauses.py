from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_secretary.voice.clauses import ClauseCutter, cut

WORDS = st.sampled_from(
    [
        "Привет,",
        "мир.",
        "Да!",
        "Нет?",
        "т.е.",
        "и",
        "т.д.",
        "г.",
        "Москва",
        "А.",
        "С.",
        "Пушкин",
        "3.14",
        "1,5",
        "+7",
        "912",
        "345-67-89",
        "12.05.2024",
        "в",
        "10:30",
        "https://a.ru/b.c?d=1.",
        "Dr.",
        "Smith",
        "p.m.",
        "e.g.",
        "—",
        "что",
        "который",
        "and",
        "because",
        "…",
        "«Ага!»",
        "(да)",
        "**жирный**",
        "`код.",
        "тут`",
        "[a",
        "b](http://x.y)",
        "```",
        "1.",
        "\n",
        "\n\n",
        "слово",
        "очень-длинное-слово",
        "😀",
    ]
)
TEXT = st.lists(st.one_of(WORDS, st.text(max_size=6)), max_size=60).map(" ".join)


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    cutter = ClauseCutter()
    found: list[str] = []
    borders = sorted({0, len(text), *(position % (len(text) + 1) for position in cuts)})
    for start, end in pairwise(borders):
        found += cutter.feed(text[start:end])
    return found + cutter.flush()


@settings(max_examples=300, deadline=None)
@given(text=TEXT, cuts=st.lists(st.integers(0, 10_000), max_size=40))
def test_every_way_of_feeding_gives_the_same_pieces(text: str, cuts: list[int]) -> None:
    whole = cut(text)
    assert "".join(whole) == text
    assert pieces_of(text, cuts) == whole


@settings(max_examples=100, deadline=None)
@given(text=TEXT, at=st.lists(st.integers(0, 500), max_size=5))
def test_forcing_loses_and_doubles_nothing(text: str, at: list[int]) -> None:
    cutter = ClauseCutter()
    found: list[str] = []
    for index, character in enumerate(text):
        found += cutter.feed(character)
        if index in at:
            found += cutter.force()
    assert "".join(found + cutter.flush()) == text


def spoken(text: str) -> list[str]:
    return [piece.strip() for piece in cut(text)]


def test_the_first_clause_comes_early_and_later_ones_are_sentences() -> None:
    assert spoken("Добрый день, вы позвонили, чем помочь? Мы работаем, как всегда, с девяти.") == [
        "Добрый день, вы позвонили,",
        "чем помочь?",
        "Мы работаем, как всегда, с девяти.",
    ]


def test_a_long_first_sentence_is_cut_before_a_conjunction() -> None:
    assert (
        spoken("Запись на осмотр возможна в любой рабочий день который вам удобен")[0]
        == "Запись на осмотр возможна в любой рабочий день"
    )


def test_abbreviations_numbers_and_links_stay_whole() -> None:
    for whole in (
        "Приехал проф. А. С. Иванов из г. Москва.",
        "Это стоит 3.14 руб. или около того.",
        "Т.е. можно, т.к. открыто и т.д. по списку.",
        "Звоните +7 912 345-67-89 до вечера.",
        "See https://example.com/a.b?c=1.2 for details.",
        "Dr. Smith came at 5 p.m. on Monday.",
        "[Сайт. Новый](https://a.ru) открыт",
    ):
        assert spoken(whole) == [whole], whole


def test_code_blocks_stay_whole_and_lists_are_lines() -> None:
    text = "Вот так:\n```py\nprint('a. b')\n\nx = 1\n```\n1. Первый\n2. Второй"
    assert cut(text) == ["Вот так:\n", "```py\nprint('a. b')\n\nx = 1\n```\n", "1. Первый\n", "2. Второй"]


def test_a_text_without_marks_is_cut_at_a_space_outside_numbers() -> None:
    text = "слово " * 60 + "+7 912 345 67 89 конец " * 10
    pieces = cut(text)
    assert max(len(piece) for piece in pieces) <= 300
    assert all("+7 912 345 67 89" in piece or "912" not in piece for piece in pieces)


def test_force_waits_for_three_words() -> None:
    cutter = ClauseCutter()
    cutter.feed("Один два ")
    assert cutter.force() == []
    cutter.feed("три четыре")
    assert cutter.force() == ["Один два три "]
    assert cutter.flush() == ["четыре"]
