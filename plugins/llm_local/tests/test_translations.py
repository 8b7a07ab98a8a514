"""Every word that a person may see is in the Russian catalogue, whole and with the same gaps to fill."""

from __future__ import annotations

import ast
import io
import re
from importlib.resources import files
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

import ai_secretary_llm_local
from ai_secretary_llm_local.catalogue import CATALOGUE
from ai_secretary_llm_local.options import LocalModelOptions
from ai_secretary_llm_local.plugin import MANIFEST

SOURCE = Path(ai_secretary_llm_local.__file__).parent
ERRORS = {"ModelUnavailable", "ModelBusy", "UnknownModel", "NotOurFile", "AlreadyThere", "HubError", "DownloadFailed",
          "InvalidInput", "Forbidden", "GgufError", "Problem", "Health", "model_unavailable"}  # fmt: skip
GAPS = re.compile(r"\{(\w+)\}")


def _texts(node: ast.AST) -> set[str]:
    """String constants of an argument, both branches of a condition included."""
    return {item.value for item in ast.walk(node) if isinstance(item, ast.Constant) and isinstance(item.value, str)}


def _ids_of(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        function = call.func
        name = function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
        owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
        if name == "_" or (owner == "_" and name == "plural"):
            found |= {text for argument in call.args[:1] for text in _texts(argument)}
        elif name in ERRORS:
            positional = call.args[1:] if name == "Health" else call.args[:1]
            for argument in positional:
                if isinstance(argument, ast.Constant):
                    found |= _texts(argument)
            found |= {text for keyword in call.keywords if keyword.arg == "hint" for text in _texts(keyword.value)}
        elif name == "progress" and len(call.args) == 3:
            found |= _texts(call.args[2])
        found |= {
            text for keyword in call.keywords if keyword.arg == "title" and owner == "registrar" for text in _texts(keyword.value)
        }
    for assignment in ast.walk(tree):
        if isinstance(assignment, ast.Assign) and getattr(assignment.targets[0], "id", "") == "ORIGINS":
            assert isinstance(assignment.value, ast.Dict)
            found |= {text for value in assignment.value.values for text in _texts(value)}
    return {text for text in found if text.strip()}


def message_ids() -> set[str]:
    found: set[str] = set()
    for path in SOURCE.glob("*.py"):
        found |= _ids_of(ast.parse(path.read_text(encoding="utf-8")))
    found |= {MANIFEST.title, MANIFEST.summary, *MANIFEST.licence_notes, "This machine", "Model files"}
    for entry in CATALOGUE:
        found |= {entry.note, entry.terms}
    for field in LocalModelOptions.model_fields.values():
        assert field.title
        assert field.description
        found |= {field.title, field.description}
    return found


@pytest.fixture(scope="module")
def russian() -> Catalog:
    raw = files("ai_secretary_llm_local").joinpath("locale", "ru.po").read_bytes()
    return read_po(io.BytesIO(raw), locale="ru")


def test_the_sources_hold_words() -> None:
    assert len(message_ids()) > 150


def test_every_word_is_translated(russian: Catalog) -> None:
    missing = sorted(text for text in message_ids() if text not in russian or not russian[text].string)
    assert missing == []


def test_no_translation_is_left_over(russian: Catalog) -> None:
    known = message_ids()
    ids = {message.id[0] if isinstance(message.id, tuple) else message.id for message in russian if message.id}
    assert sorted(ids - known) == []


def test_gaps_are_the_same_in_both_languages(russian: Catalog) -> None:
    for message in russian:
        if not message.id:
            continue
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        source = message.id[0] if isinstance(message.id, tuple) else message.id
        for string in strings:
            assert set(GAPS.findall(string)) == set(GAPS.findall(source)), source
        assert not any("!" in string or '"' in string for string in strings), source
    assert russian.num_plurals == 3
