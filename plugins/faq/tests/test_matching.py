"""Which entry answers, and which must not."""

from __future__ import annotations

import random
import re
import time

import pytest

from ai_secretary_faq.entries import Rules
from ai_secretary_faq.matching import FaqIndex, build_index

from .conftest import entry

RULES = Rules()
QUESTIONS = [
    entry(1, "Какой у вас график работы?", "часы работы", "режим работы"),
    entry(2, "Где вы находитесь?", "адрес", "как доехать"),
    entry(3, "Сколько стоит доставка?", "цена доставки"),
    entry(4, "Как оформить возврат товара?"),
    entry(5, "Есть ли у вас доставка?"),
    entry(6, "Вы работаете в субботу?"),
    entry(7, "Как её зовут, вашу собаку?"),
    entry(8, "What are your opening hours?", "opening hours"),
    entry(9, "Сколько стоит номер 12?"),
]

WORDS = re.findall(r"\w+", "график работы вы где адрес доставка стоит сколько возврат товара субботу hours opening как почта и в")
SYLLABLES = re.findall(r"\w+", "ба ве го ди ку ло ме на по ра си то ша ящ зу фе хо ци че жу")


@pytest.fixture(scope="module")
def index() -> FaqIndex:
    return build_index(QUESTIONS)


def found(index: FaqIndex, text: str, language: str = "ru", rules: Rules = RULES) -> tuple[str, str] | None:
    match = index.find(text, language, rules)
    return None if match is None else (match.entry.id.removeprefix("faq_"), match.how)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Какой у вас график работы?", ("1", "exact")),
        ("  КАКОЙ У ВАС ГРАФИК РАБОТЫ!!! ", ("1", "exact")),
        ("как ее зовут вашу собаку", ("7", "exact")),
        ("Как ЕЁ зовут — вашу собаку…", ("7", "exact")),
        ("Гдевы находитесь", ("2", "exact")),
        ("адрес", ("2", "keywords")),
        ("Здравствуйте, подскажите, пожалуйста, ваш адрес", ("2", "keywords")),
        ("как до вас доехать?", ("2", "keywords")),
        ("а какие у вас часы работы", ("1", "keywords")),
        ("opening hours please", ("8", "keywords")),
        ("график работы", ("1", "fuzzy")),
        ("Добрый день! Вы по субботам работаете?", ("6", "fuzzy")),
        ("сколько будет стоить доставка", ("3", "fuzzy")),
        ("доставка есть?", ("5", "fuzzy")),
        ("как офомрить возврат товра", ("4", "fuzzy")),
        ("What are the opening hours?", ("8", "keywords")),
    ],
)
def test_it_answers_what_was_meant(index: FaqIndex, text: str, expected: tuple[str, str]) -> None:
    assert found(index, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?",
        "а",
        "А!",
        "я",
        "1",
        "…",
        "да",
        "и что",
        "как",
        "вы",
        "график",  # a part of a question is not the question
        "рабо",
        "раф",
        "адресат",  # a keyword inside a longer word
        "вы работаете в воскресенье",  # another day
        "где вы работаете",  # another question word
        "как оформить обмен товара",  # another action
        "сколько стоит номер 13",  # another number
        "дайте адрес электронной почты вашего директора",
        "мне вчера дали неправильный адрес, и курьер с доставкой уехал в другой город, а график работы у вас до шести",
        "What time is it in Tokyo?",
        "цена",  # half of a two-word keyword
    ],
)
def test_it_keeps_silent_about_everything_else(index: FaqIndex, text: str) -> None:
    assert found(index, text) is None


def test_a_one_letter_utterance_matches_nothing_even_if_a_question_contains_it() -> None:
    index = build_index([entry(1, "а"), entry(2, "а и б сидели на трубе", "а")])
    assert found(index, "а") is None
    assert found(index, " А? ") is None


def test_exact_beats_keywords_beats_similarity_beats_age() -> None:
    similar = entry(1, "Какая цена доставки по городу")
    keyword = entry(2, "Тарифы", "цена доставки по городу")
    exact = entry(3, "Цена доставки по городу?")
    text = "цена доставки по городу"
    assert found(build_index([similar, keyword, exact]), text) == ("3", "exact")
    assert found(build_index([similar, keyword]), text) == ("2", "keywords")
    assert found(build_index([similar]), text) == ("1", "fuzzy")


def test_among_equals_the_older_entry_answers_whatever_the_order_of_rows() -> None:
    entries = [entry(number, f"Раздел {number}", "парковка для машин") for number in range(1, 6)]
    for _ in range(10):
        random.shuffle(entries)
        assert found(build_index(entries), "парковка для машин") == ("1", "keywords")
    twins = [entry(2, "Парковка для гостей платная"), entry(1, "Платная парковка для гостей")]
    assert found(build_index(twins), "а платная ли парковка гостей") == ("1", "fuzzy")


def test_an_entry_with_a_language_answers_only_in_it() -> None:
    index = build_index([entry(1, "Menu", language="en"), entry(2, "Menu", language="ru"), entry(3, "Menu")])
    assert found(index, "menu", "en") == ("1", "exact")
    assert found(index, "menu", "ru-RU") == ("2", "exact")
    assert found(index, "menu", "de") == ("3", "exact")


def test_a_disabled_entry_is_passed_over() -> None:
    index = build_index([entry(1, "Где парковка?", enabled=False), entry(2, "Где у вас парковка?")])
    assert found(index, "где парковка") == ("2", "fuzzy")
    assert found(build_index([entry(1, "Где парковка?", enabled=False)]), "где парковка") is None


def test_the_options_decide() -> None:
    index = build_index(QUESTIONS)
    assert found(index, "график работы", rules=Rules(fuzzy=False)) is None
    assert found(index, "адрес", rules=Rules(fuzzy=False)) == ("2", "keywords")
    assert found(index, "сколько стоит доставка в Москву") == ("3", "fuzzy")
    assert found(index, "сколько стоит доставка в Москву", rules=Rules(threshold=0.9)) is None
    assert found(index, "ваш адрес и телефон", rules=Rules(keyword_share=0.3)) == ("2", "keywords")
    assert found(index, "ваш адрес и телефон", rules=Rules(keyword_share=0.6)) is None
    assert found(index, "есть ли у вас доставка на дом", rules=Rules(max_words=3)) is None


def test_the_explanation_names_the_way_the_score_and_the_reasons(index: FaqIndex) -> None:
    explanation = index.explain("график работы", "ru", RULES)
    assert explanation.reason == "matched"
    first = explanation.candidates[0]
    assert (first.entry.id, first.how, first.verdict) == ("faq_1", "fuzzy", "matched")
    assert first.common == ("график", "работы")
    assert set(first.missing) == {"какой", "у", "вас"}
    assert 0.9 < first.score < 1

    explanation = index.explain("как оформить обмен товара", "ru", RULES)
    assert (explanation.match, explanation.reason) == (None, "nothing_similar")
    nearest = explanation.candidates[0]
    assert (nearest.entry.id, nearest.verdict) == ("faq_4", "too_different")
    assert (nearest.missing, nearest.extra) == (("возврат",), ("обмен",))

    explanation = index.explain("дайте адрес электронной почты", "ru", RULES)
    assert [(c.entry.id, c.verdict, c.keyword) for c in explanation.candidates] == [("faq_2", "keyword_share", "адрес")]
    assert index.explain("а", "ru", RULES).reason == "too_short"
    assert index.explain(" ", "ru", RULES).reason == "empty"
    assert index.explain("слово " * 40, "ru", RULES).reason == "too_long"


def test_the_explanation_shows_disabled_and_foreign_entries_and_the_runners_up() -> None:
    index = build_index(
        [
            entry(1, "Где парковка?", enabled=False),
            entry(2, "Где парковка?", language="en"),
            entry(3, "Где у вас парковка?"),
            entry(4, "Где есть парковка?"),
        ]
    )
    verdicts = {c.entry.id: c.verdict for c in index.explain("Где парковка", "ru", RULES).candidates}
    assert verdicts == {"faq_4": "matched", "faq_1": "disabled", "faq_2": "other_language", "faq_3": "outranked"}


def test_find_and_explain_never_disagree(index: FaqIndex) -> None:
    words = [
        "график",
        "работы",
        "вы",
        "где",
        "адрес",
        "доставка",
        "стоит",
        "сколько",
        "возврат",
        "товара",
        "субботу",
        "hours",
        "opening",
        "как",
        "почта",
        "и",
        "в",
    ]
    chance = random.Random(7)
    for _ in range(400):
        text = " ".join(chance.choices(words, k=chance.randint(1, 6)))
        match, explanation = index.find(text, "ru", RULES), index.explain(text, "ru", RULES)
        assert explanation.match == match
        assert [c.entry.id for c in explanation.candidates if c.verdict == "matched"] == ([match.entry.id] if match else [])


def test_a_rebuild_reuses_what_did_not_change_and_sees_what_did() -> None:
    first = build_index(QUESTIONS)
    changed = [entry(1, "Когда перерыв?"), *QUESTIONS[1:]]
    second = build_index(changed, first.prepared())
    assert found(second, "Когда перерыв") == ("1", "exact")
    assert found(second, "какой у вас график работы") is None
    assert second.prepared()["faq_2"].phrase is first.prepared()["faq_2"].phrase


def test_ten_thousand_entries_answer_within_two_milliseconds() -> None:
    chance = random.Random(1)
    syllables = [
        "ба",
        "ве",
        "го",
        "ди",
        "ку",
        "ло",
        "ме",
        "на",
        "по",
        "ра",
        "си",
        "то",
        "ша",
        "ящ",
        "зу",
        "фе",
        "хо",
        "ци",
        "че",
        "жу",
    ]

    def word() -> str:
        return "".join(chance.choice(syllables) for _ in range(chance.randint(2, 5)))

    words = sorted({word() for _ in range(15_000)})
    entries = [
        entry(n, " ".join(chance.choices(words, k=chance.randint(3, 9))), " ".join(chance.choices(words, k=2)))
        for n in range(10_000)
    ]
    index = build_index(entries)
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 12))) for _ in range(100)]
    texts += [" ".join(word() + "щ" for _ in range(8)) for _ in range(50)]  # nothing but misspelt words: the slowest case
    texts += [entries[n].question[:-1] for n in range(0, 10_000, 200)]
    times = []
    for text in texts:
        started = time.thread_time()  # processor time: the neighbours on a busy machine do not count
        index.find(text, "ru", RULES)
        times.append((time.thread_time() - started) * 1000)
    times.sort()
    print(
        f"10,000 entries: p50 {times[len(times) // 2]:.2f} ms, p95 {times[int(len(times) * 0.95)]:.2f} ms, max {times[-1]:.2f} ms"
    )
    assert times[int(len(times) * 0.95)] < 2.0
    hits = sum(1 for n in range(0, 10_000, 200) if (m := index.find(entries[n].question, "ru", RULES)) and m.how == "exact")
    assert hits == 50
