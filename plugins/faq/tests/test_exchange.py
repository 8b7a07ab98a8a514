"""Import and export."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from ai_secretary.errors import InvalidInput, TooLarge
from ai_secretary_faq import exchange
from ai_secretary_faq.drafts import Draft

from .conftest import entry

ENTRIES = [
    entry(1, "Какой график?", "часы", "режим работы", answer='С 9 до 18;\nв субботу — «до 16», "кроме" праздников'),
    entry(2, "=HYPERLINK(1)", language="en", enabled=False, answer="'-1'"),
    entry(3, "'кавычка", answer="@user, +7 999"),
]


@pytest.mark.parametrize(("write", "read"), [(exchange.to_json, exchange.read_json), (exchange.to_csv, exchange.read_csv)])
def test_what_was_exported_comes_back_the_same(write: object, read: object) -> None:
    lines = read(write(ENTRIES))  # type: ignore[operator]
    assert [line.draft for line in lines] == [Draft(e.question, e.answer, e.keywords, e.language, e.enabled) for e in ENTRIES]


def test_a_spreadsheet_sees_no_formulas() -> None:
    table = exchange.to_csv(ENTRIES).decode("utf-8-sig")
    assert "'=HYPERLINK" in table
    assert "'@user" in table


def test_a_table_from_russian_excel_is_read() -> None:
    data = "question;answer;keywords\r\nЧасы?;До шести;часы; \r\n\r\nАдрес?;Москва;\r\n".encode("cp1251")
    lines = exchange.read_csv(data)
    assert [(line.number, line.draft and line.draft.question) for line in lines] == [(2, "Часы?"), (4, "Адрес?")]


def test_each_wrong_line_is_named_and_the_others_are_kept() -> None:
    data = 'question,answer,enabled\nа,ответ,yes\nХорошо?,Да,yes\nПусто?,,yes\n"Две\nстроки",ок,maybe\nЕщё?,Да,нет\n'.encode()
    lines = exchange.read_csv(data)
    assert [(line.number, line.error.code if line.error else None) for line in lines] == [
        (2, "faq_question_short"),
        (3, None),
        (4, "faq_answer_empty"),
        (5, "faq_line"),
        (7, None),
    ]
    assert lines[-1].draft is not None
    assert lines[-1].draft.enabled is False


def test_json_shapes_of_others_are_understood() -> None:
    assert [line.draft for line in exchange.read_json('{"Привет секретарь": "Здравствуйте"}'.encode())] == [
        Draft("Привет секретарь", "Здравствуйте")
    ]
    listed = [{"question": "Часы?", "answer": "До шести", "keywords": "часы; режим"}, 5, {"question": 7, "answer": "x"}]
    lines = exchange.read_json(json.dumps(listed).encode())
    assert lines[0].draft == Draft("Часы?", "До шести", ("часы", "режим"))
    assert [line.error.field if line.error else "" for line in lines] == ["", None, "question"]


@pytest.mark.parametrize(
    ("read", "data", "code"),
    [
        (exchange.read_json, b"{", "faq_import_json"),
        (exchange.read_json, b"[" * 100_000, "faq_import_json"),
        (exchange.read_json, b'"text"', "faq_import_shape"),
        (exchange.read_json, b"\xff\xfe", "faq_import_json"),
        (exchange.read_csv, b"a,b\n1,2\n", "faq_import_columns"),
        (exchange.read_csv, b"", "faq_import_columns"),
        (exchange.read_csv, b'question,answer\n"open,2\n', "faq_import_csv"),
    ],
)
def test_an_unreadable_file_is_refused_with_a_reason(read: object, data: bytes, code: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(data)  # type: ignore[operator]
    assert caught.value.code == code


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(TooLarge):
        exchange.read_csv(b"x" * (exchange.MAX_BYTES + 1))


def test_the_export_has_all_entries_in_order() -> None:
    many = [replace(ENTRIES[0], id=str(n), question=f"Вопрос {n}") for n in range(700)]
    assert [line.draft.question for line in exchange.read_csv(exchange.to_csv(many)) if line.draft] == [e.question for e in many]
