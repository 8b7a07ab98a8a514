"""Addresses of the web and of e-mail, spoken."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ai_secretary.voice.normalization.latin import in_russian

_TLDS = (
    "ru|com|org|net|io|рф|su|info|dev|app|ai|kz|by|uz|ua|uk|de|fr|eu|edu|gov|biz|pro|online|site|shop|store|tech|club|tv|xyz|"
    "moscow|москва|рус|дети|онлайн|сайт|me|ly|gg"
)
_EMAIL = re.compile(r"(?:mailto:)?(?<![\w.+-])([A-Za-z0-9][\w.+-]*)@([A-Za-z0-9а-яё-]+(?:\.[A-Za-z0-9а-яё-]+)+)", re.IGNORECASE)
_URL = re.compile(r"\b(?:https?|ftp|tel|tg)://([^\s<>\"«»]+)|\bwww\.([^\s<>\"«»]+)", re.IGNORECASE)
_DOMAIN = re.compile(rf"(?<![\w@./-])((?:[a-z0-9а-яё][a-z0-9а-яё-]*\.)+(?:{_TLDS}))(?![\w-])(/[^\s<>\"«»,]*)?", re.IGNORECASE)
_TRAILING = re.compile(r"[.,;:!?)\]'…]+$")
_HANDLE = re.compile(r"(?<![\w@./])@([A-Za-z]\w{2,})\b")


@dataclass(slots=True, frozen=True)
class _Words:
    link_to: str
    at: str
    dot: str
    dash: str
    underscore: str
    plus: str


_WORDS = {
    "ru": _Words("ссылка на", "собака", "точка", "дефис", "подчёркивание", "плюс"),
    "en": _Words("link to", "at", "dot", "dash", "underscore", "plus"),
}
_RUSSIAN_LABELS = {"ru": "ру", "com": "ком", "org": "орг", "net": "нет", "рф": "эрэф", "su": "су", "io": "ай о", "info": "инфо",
                   "me": "ми", "ai": "эй ай", "kz": "кей зет", "by": "бай", "uz": "уз", "edu": "эду", "gov": "гов", "tv": "ти ви",
                   "uk": "ю кей", "de": "дэ е", "pro": "про", "dev": "дев", "app": "эпп"}  # fmt: skip


def speak_links(text: str, language: str) -> str:
    if "@" not in text and "." not in text and "://" not in text:
        return text
    words = _WORDS[language]

    def email(match: re.Match[str]) -> str:
        domain, tail = _split_tail(match[2])
        return f"{_spell(match[1], words, language)} {words.at} {_spell(domain, words, language)}{tail}"

    def url(match: re.Match[str]) -> str:
        address, tail = _split_tail(match[1] or match[2])
        host = re.split(r"[/?#]", address, maxsplit=1)[0].rpartition("@")[2].partition(":")[0]
        return f"{words.link_to} {_spell(host.removeprefix('www.'), words, language)}{tail}"

    def domain(match: re.Match[str]) -> str:
        tail = _split_tail(match[2])[1] if match[2] else ""
        return _spell(match[1], words, language) + tail

    text = _EMAIL.sub(email, text)
    text = _URL.sub(url, text)
    text = _DOMAIN.sub(domain, text)
    return _HANDLE.sub(lambda match: f"{words.at} {_spell(match[1], words, language)}", text)


def _split_tail(address: str) -> tuple[str, str]:
    match = _TRAILING.search(address)
    return (address, "") if match is None else (address[: match.start()], match.group())


def _spell(address: str, words: _Words, language: str) -> str:
    spoken: list[str] = []
    signs = {".": words.dot, "-": words.dash, "_": words.underscore, "+": words.plus}
    for label in re.findall(r"[.+_-]|[^.+_-]+", address):
        if label in signs:
            spoken.append(signs[label])
            continue
        for part in re.findall(r"\d+|\D+", label):
            if language == "ru":
                lower = part.lower()
                spoken.append(_RUSSIAN_LABELS.get(lower) or (in_russian(lower) if part.isascii() and part.isalpha() else part))
            else:
                spoken.append(" ".join(part) if len(part) == 1 else part)
    return " ".join(spoken)
