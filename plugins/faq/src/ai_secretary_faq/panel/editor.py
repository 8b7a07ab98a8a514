"""The form of one entry, drawn where its row was. Errors stand beside their fields; nothing typed is lost by them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary_faq.entries import Entry
from ai_secretary_ui import components as c

_ = Translator("faq")

Save = Callable[[str, str, list[str], str | None], Awaitable[None]]
"""(question, answer, keywords, language); raises `SecretaryError`."""


class Editor:
    def __init__(self, entry: Entry | None, save: Save, close: Callable[[], object]) -> None:
        self._entry = entry
        self._save = save
        self._close = close

    def draw(self) -> None:
        entry = self._entry
        with c.el().style("padding:14px 16px;background:var(--surface-2)"), c.el("as-form"):
            self._question = c.text_area(_("Question"), entry.question if entry else "", rows=1, max_length=500)
            self._answer = c.text_area(
                _("Answer"),
                entry.answer if entry else "",
                _(
                    "{time}, {date} and {weekday} become the present ones, in the person’s language and time zone",
                    time="{current_time}",
                    date="{current_date}",
                    weekday="{day_of_week}",
                ),
                rows=2,
                max_length=10_000,
            )
            self._keywords = c.chips_input(
                _("Keywords"),
                entry.keywords if entry else (),
                _("Words or phrases that also lead here. Press Enter after each"),
            )
            languages = {"": _("Any language"), "ru": _("Russian only"), "en": _("English only")}
            current = (entry.language or "") if entry else ""
            languages.setdefault(current, current)
            self._language = c.select_field(_("Answer in"), languages, current)
            self._general = ui.label("").classes("as-fielderror")
            self._general.set_visibility(False)
            with c.el("as-actions"):
                c.button(_("Save the question") if entry else _("Add the question"), self._pressed, kind="filled")
                c.button(_("Cancel"), self._close, kind="quiet")
        if entry is None:
            self._question.run_method("focus")

    async def _pressed(self) -> None:
        places: dict[str, Element] = {
            "question": self._question, "answer": self._answer, "keywords": self._keywords, "language": self._language,
        }  # fmt: skip
        for control in places.values():
            c.field_of(control).error("")
        self._show("")
        try:
            await self._save(
                self._question.value or "",
                self._answer.value or "",
                list(self._keywords.value or ()),
                self._language.value or None,
            )
        except SecretaryError as error:
            message = _.error(error) + (f". {_(error.hint)}" if error.hint else "")
            wrong = places.get(error.field or "")
            if wrong is not None:
                c.field_of(wrong).error(message)
            else:
                self._show(message)

    def _show(self, message: str) -> None:
        self._general.set_visibility(bool(message))
        self._general.set_text(message)
