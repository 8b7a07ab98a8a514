"""Translations: English message ids in the code, gettext catalogues (`locale/<language>.po`) beside it, one domain per plugin."""

from __future__ import annotations

import gettext
import io
from collections.abc import Callable
from contextvars import ContextVar
from importlib.resources import files
from importlib.resources.abc import Traversable

from ai_secretary.context import current_request
from ai_secretary.errors import SecretaryError

LANGUAGES = ("ru", "en")

_language: ContextVar[str | None] = ContextVar("language", default=None)
_resolvers: list[Callable[[], str | None]] = []
_catalogues: dict[tuple[str, str], gettext.NullTranslations] = {}
_folders: dict[str, Traversable] = {}


def set_language(language: str) -> None:
    """The language of what runs in this context from now on."""
    _language.set(language)


def add_language_resolver(resolver: Callable[[], str | None]) -> None:
    """Ask `resolver` where no language was set in the context (the UI knows the language of the open page)."""
    _resolvers.append(resolver)


def current_language() -> str:
    language = _language.get()
    if language is not None:
        return language
    for resolver in _resolvers:
        found = resolver()
        if found is not None:
            return found
    request = current_request()
    return (request.language if request is not None else None) or "en"


def reset_language() -> None:
    """Forget the language of this context (a test must not inherit that of the test before)."""
    _language.set(None)


def N_(message: str) -> str:
    """Mark a message id that is kept in a constant and translated later, where it is shown."""
    return message


def register_catalogue(domain: str, folder: Traversable) -> None:
    """`folder` holds `ru.po` (and others); English is the source and needs none."""
    _folders[domain] = folder
    for key in [key for key in _catalogues if key[0] == domain]:
        del _catalogues[key]


def unregister_catalogue(domain: str) -> None:
    _folders.pop(domain, None)
    for key in [key for key in _catalogues if key[0] == domain]:
        del _catalogues[key]


def _catalogue(domain: str, language: str) -> gettext.NullTranslations:
    key = (domain, language)
    found = _catalogues.get(key)
    if found is None:
        found = gettext.NullTranslations()
        folder = _folders.get(domain)
        source = folder.joinpath(f"{language}.po") if folder is not None else None
        if source is not None and source.is_file():
            from babel.messages.mofile import write_mo
            from babel.messages.pofile import read_po

            compiled = io.BytesIO()
            write_mo(compiled, read_po(io.BytesIO(source.read_bytes()), locale=language))
            compiled.seek(0)
            found = gettext.GNUTranslations(compiled)
        _catalogues[key] = found
    return found


class Translator:
    """`_ = Translator("faq")`, then `_("Save")` and `_.plural("{n} call", "{n} calls", n)` in the reader's language."""

    def __init__(self, domain: str) -> None:
        self.domain = domain

    def __call__(self, message: str, /, **params: object) -> str:
        text = _catalogue(self.domain, current_language()).gettext(message)
        if text == message and self.domain != "core":
            # Hints of the core's errors and messages of its jobs are shown by plugins.
            text = _catalogue("core", current_language()).gettext(message)
        return text.format(**params) if params else text

    def plural(self, one: str, many: str, n: int, /, **params: object) -> str:
        """The right form for `n` (CLDR forms of the catalogue); `{n}` is filled in."""
        return _catalogue(self.domain, current_language()).ngettext(one, many, n).format(n=n, **params)

    def error(self, error: SecretaryError) -> str:
        """An error's message in the reader's language: the plugin's catalogue first, then the core's."""
        for domain in (self.domain, "core"):
            text = _catalogue(domain, current_language()).gettext(error.template)
            if text != error.template:
                break
        return text.format(**error.params) if error.params else text


def translate_anywhere(message: str, language: str) -> str:
    """A message id in `language`, from whichever catalogue has it (the core's first): for errors whose owner is not known."""
    for domain in ("core", *(name for name in _folders if name != "core")):
        text = _catalogue(domain, language).gettext(message)
        if text != message:
            return text
    return message


register_catalogue("core", files("ai_secretary").joinpath("locale"))
