"""Import and export: JSON and CSV that survive the round trip. Blocking, for threads."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from ai_secretary.errors import InvalidInput, SecretaryError, TooLarge
from ai_secretary_faq.drafts import ENTRIES, check
from ai_secretary_faq.entries import Entry
from ai_secretary_faq.service import Line

COLUMNS: Final = ("question", "answer", "keywords", "language", "enabled")
MAX_BYTES: Final = 8 * 1024 * 1024
_RISKY: Final = "=+-@\t\r'"
"""A cell that begins so is run as a formula by spreadsheets: it gets an apostrophe, which `_bare` takes off again."""
_TRUE = frozenset({"", "1", "true", "yes", "on", "да", "вкл", "истина"})
_FALSE = frozenset({"0", "false", "no", "off", "нет", "выкл", "ложь"})


def to_json(entries: Iterable[Entry]) -> bytes:
    rows = [
        {
            "question": entry.question,
            "answer": entry.answer,
            "keywords": list(entry.keywords),
            "language": entry.language,
            "enabled": entry.enabled,
        }
        for entry in entries
    ]
    return json.dumps({"entries": rows}, ensure_ascii=False, indent=2).encode() + b"\n"


def to_csv(entries: Iterable[Entry]) -> bytes:
    """UTF-8 with a mark, so that spreadsheets see Cyrillic; keywords are separated by semicolons."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for entry in entries:
        writer.writerow(
            (
                _guarded(entry.question),
                _guarded(entry.answer),
                _guarded("; ".join(entry.keywords)),
                entry.language or "",
                "yes" if entry.enabled else "no",
            )
        )
    return out.getvalue().encode("utf-8-sig")


def read_json(data: bytes) -> list[Line]:
    """`{"entries": [{…}]}`, a bare list of entries, or `{"question": "answer"}`. `Line.number` counts entries from 1."""
    _limit(data)
    try:
        loaded = json.loads(data.decode("utf-8-sig"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise InvalidInput("The file is not valid JSON", code="faq_import_json", field="file") from error
    if isinstance(loaded, dict) and isinstance(loaded.get("entries"), list):
        loaded = loaded["entries"]
    elif isinstance(loaded, dict) and all(isinstance(value, str) for value in loaded.values()):
        loaded = [{"question": question, "answer": answer} for question, answer in loaded.items()]
    if not isinstance(loaded, list):
        raise InvalidInput(
            "The file holds no list of entries",
            code="faq_import_shape",
            field="file",
            hint="Export the FAQ once to see the shape.",
        )
    return _lines((number, item) for number, item in enumerate(loaded, 1))


def read_csv(data: bytes) -> list[Line]:
    """A table with a heading line; comma, semicolon or tab; UTF-8 or Windows-1251. `Line.number` is the line of the file."""
    _limit(data)
    text = _decode(data)
    heading = text.partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        missing = [name for name in ("question", "answer") if name not in names]
        if missing:
            raise InvalidInput(
                "The heading line lacks the column {column}",
                column=", ".join(missing),
                code="faq_import_columns",
                field="file",
                hint="The columns are question, answer, keywords, language, enabled.",
            )
        rows: list[tuple[int, object]] = []
        line = reader.line_num + 1
        for row in reader:
            if any(cell.strip() for cell in row):
                rows.append((line, dict(zip(names, map(_bare, row), strict=False))))
            line = reader.line_num + 1
    except csv.Error as error:
        raise InvalidInput(
            "The table breaks off at line {line}", line=reader.line_num, code="faq_import_csv", field="file"
        ) from error
    return _lines(rows)


def _lines(items: Iterable[tuple[int, object]]) -> list[Line]:
    lines: list[Line] = []
    for number, item in items:
        if len(lines) >= 2 * ENTRIES:
            raise TooLarge("The file has more than {n} entries", n=2 * ENTRIES, code="faq_import_many", field="file")
        try:
            draft = check(**_fields(item))
            lines.append(Line(number, draft, draft.key))
        except SecretaryError as error:
            lines.append(Line(number, None, error=error))
    return lines


def _fields(item: object) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise InvalidInput("This is not an entry with a question and an answer", code="faq_line")
    fields: dict[str, Any] = {}
    for name in ("question", "answer"):
        value = item.get(name)
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise InvalidInput("{name} must be text", name=name, code="faq_line", field=name)
        fields[name] = value
    keywords = item.get("keywords") or ()
    if isinstance(keywords, str):
        keywords = keywords.split(";")
    if not isinstance(keywords, Sequence) or not all(isinstance(keyword, str) for keyword in keywords):
        raise InvalidInput("Keywords must be a list of texts", code="faq_line", field="keywords")
    fields["keywords"] = keywords
    language = item.get("language")
    if language is not None and not isinstance(language, str):
        raise InvalidInput("{name} must be text", name="language", code="faq_line", field="language")
    fields["language"] = language
    fields["enabled"] = _flag(item.get("enabled"))
    return fields


def _flag(value: object) -> bool:
    if value is None or isinstance(value, bool):
        return value is not False
    text = str(value).strip().casefold()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise InvalidInput("“{value}” is neither yes nor no", value=text[:20], code="faq_line", field="enabled")


def _guarded(cell: str) -> str:
    return f"'{cell}" if cell and cell[0] in _RISKY else cell


def _bare(cell: str) -> str:
    return cell[1:] if len(cell) > 1 and cell[0] == "'" and cell[1] in _RISKY else cell


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1251")
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is neither UTF-8 nor Windows-1251 text", code="faq_import_text", field="file") from error


def _limit(data: bytes) -> None:
    if len(data) > MAX_BYTES:
        raise TooLarge("The file is larger than {n} MB", n=MAX_BYTES // 1024 // 1024, code="faq_import_size", field="file")
