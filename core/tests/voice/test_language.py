from __future__ import annotations

import pytest

from ai_secretary.voice.language import detect


@pytest.mark.parametrize(
    ("text", "prior", "language"),
    [
        ("Привет", None, "ru"),
        ("Hello there", "ru", "en"),
        ("Купите новый iPhone 15 Pro", None, "ru"),
        ("ok", "ru", "ru"),
        ("123", "ru", "ru"),
        ("123", None, "en"),
        ("OK, давай", None, "ru"),
        ("Смотри https://example.com/a/very/long/path/index.html", None, "ru"),
        ("```print('hello world and more')``` да", None, "ru"),
        ("Guten Tag, wie geht es", "de", "de"),
        ("", "ru", "ru"),
    ],
)
def test_detects(text: str, prior: str | None, language: str) -> None:
    assert detect(text, prior) == language
