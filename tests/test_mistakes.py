"""`docs/development/mistakes.md` names the tests that keep old mistakes away; each of them must exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs/development/mistakes.md"
NODE = re.compile(r"`([\w/]+\.py)::(\w+(?:::\w+)?)`")
ROW = re.compile(r"^\| (\d+) \|", re.MULTILINE)
TOTAL = 50


@cache
def names_in(path: str) -> frozenset[str]:
    """Names of a file's tests, `Class::method` for methods; those that are skipped without a condition do not count."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in tree.body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for item in inside:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name.startswith("test_"):
                marks = [ast.unparse(mark) for mark in item.decorator_list]
                if not any(mark.startswith(("pytest.mark.skip(", "pytest.mark.xfail")) for mark in marks):
                    found.add(prefix + item.name)
    return frozenset(found)


def rows() -> dict[int, str]:
    """A mistake's number → its row."""
    lines = DOCUMENT.read_text(encoding="utf-8").splitlines()
    return {int(found[1]): line for line in lines if (found := ROW.match(line))}


def test_every_test_that_the_document_names_exists() -> None:
    named = NODE.findall(DOCUMENT.read_text(encoding="utf-8"))
    assert len(named) > 100
    missing = [f"{path}::{name}" for path, name in named if not (ROOT / path).is_file() or name not in names_in(path)]
    assert missing == []


@pytest.mark.parametrize("number", sorted(rows()))
def test_every_row_is_proved(number: int) -> None:
    cells = [cell.strip() for cell in rows()[number].strip("|").split(" | ")]
    assert len(cells) == 4
    assert all(cells)
    assert NODE.findall(cells[3])
    assert NODE.sub("", cells[3]).replace("<br>", "").strip(" |") == "", "only node ids in the last column"


def test_no_mistake_is_forgotten() -> None:
    """Each has a row, or comes with its plugin."""
    last = DOCUMENT.read_text(encoding="utf-8").rpartition("\n\n")[2]
    assert "come with their plugin" in last.replace("\n", " ")
    later = {int(number) for number in re.findall(r"\d+", last)}
    assert set(rows()) | later == set(range(1, TOTAL + 1))
    assert not set(rows()) & later
