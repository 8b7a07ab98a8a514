"""Personas: who answers, in which manner."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit import AuditEvent
from ai_secretary.dialogue.parameters import RANGES
from ai_secretary.dialogue.persona import Persona
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import components as c
from ai_secretary_ui import names
from ai_secretary_ui.components.base import MenuItem

if TYPE_CHECKING:
    from ai_secretary_ui.pages.llm.page import LlmPage

_ = Translator("ui")

PICTURES = {"anna": "sentiment_satisfied", "marina": "work", "lidia": "work"}
PARAMETERS = {
    "temperature": N_("Temperature"),
    "top_p": N_("Top-p"),
    "max_tokens": N_("Longest reply"),
    "repetition_penalty": N_("Repetition penalty"),
}


class PersonasCard:
    """Rows with a picture, a name and the greeting in quotes."""

    def __init__(self, page: LlmPage) -> None:
        self._page = page
        self._body: Element

    @property
    def personas(self) -> Any:
        return self._page.view.application.personas

    def draw(self) -> None:
        with c.card(_("Personas"), pad=False, divide=True, actions=self._add_button) as self._body:
            self._rows()

    def redraw(self) -> None:
        self._body.clear()
        with self._body:
            self._rows()

    def _add_button(self) -> None:
        if self._page.may_write:
            c.button(_("Persona"), lambda: self.edit(None), icon="add", small=True)

    def _rows(self) -> None:
        language = self._page.view.language
        default = self.personas.default().id
        for persona in self.personas.all():
            with c.el("m-per" + ("" if persona.enabled else " off")):
                with c.el("m-pic", "span"):
                    c.icon(PICTURES.get(persona.id, "short_text" if not persona.builtin else "work"))
                with c.el("m-perhead"):
                    c.text(persona.name(language), "as-b as-ell")
                    if persona.id == default:
                        c.badge("acc", _("default"))
                    if persona.edited:
                        c.badge("", _("changed"))
                    if not persona.enabled:
                        c.badge("", _("off"))
                self._menu(persona, default)
                with c.el("q"):
                    description = persona.description(language)
                    if description:
                        c.text(description)
                    greeting = persona.greeting(language)
                    if greeting:
                        c.text(f"«{greeting}»" if language == "ru" else f"“{greeting}”", "as-faint")

    def _menu(self, persona: Persona, default: str) -> None:
        if not self._page.may_write:
            c.el("as-icon as-sm", "span")
            return
        items: list[MenuItem | None] = []
        if persona.id != default and persona.enabled:
            items.append(MenuItem(_("Make default"), lambda: self._activate(persona), "check_circle"))
        items.append(MenuItem(_("Edit"), lambda: self.edit(persona), "edit"))
        if persona.builtin and persona.edited:
            items.append(MenuItem(_("Back to the first text"), lambda: self._reset(persona), "restart_alt"))
        if persona.id != default:
            word = _("Switch off") if persona.enabled else _("Switch on")
            items.append(MenuItem(word, lambda: self._enable(persona), "pause_circle" if persona.enabled else "play_circle"))
        if not persona.builtin and persona.id != default:
            items += [None, MenuItem(_("Delete persona"), lambda: self._delete(persona), "delete", danger=True)]
        c.menu(items, label=_("Actions for {name}", name=persona.name(self._page.view.language)))

    def _record(self, action: str, persona: Persona) -> None:
        self._page.view.application.audit.record(AuditEvent(f"persona.{action}", "persona", persona.id))

    async def _activate(self, persona: Persona) -> None:
        before = self.personas.default().id
        await self.personas.activate(persona.id)
        self._record("activate", persona)
        self.redraw()

        async def undo() -> None:
            await self.personas.activate(before)
            self._record("activate", self.personas.get(before))
            self.redraw()

        c.toast(_("{name} answers from now on", name=persona.name(self._page.view.language)), undo=undo)

    async def _enable(self, persona: Persona) -> None:
        await self.personas.update(persona.id, {"enabled": not persona.enabled})
        self._record("enable" if not persona.enabled else "disable", persona)
        self.redraw()

    async def _reset(self, persona: Persona) -> None:
        name = persona.name(self._page.view.language)
        if await c.confirm(
            _("Reset “{name}” to the first text?", name=name),
            _("Your changes of its text and parameters are lost. Conversations stay."),
            _("Reset persona"),
            danger=True,
        ):
            await self.personas.reset(persona.id)
            self._record("reset", persona)
            self.redraw()
            c.toast(_("Persona reset"))

    async def _delete(self, persona: Persona) -> None:
        name = persona.name(self._page.view.language)
        if await c.confirm(
            _("Delete the persona “{name}”?", name=name),
            _("Conversations that it led stay; they go on with the default persona."),
            _("Delete persona"),
            danger=True,
        ):
            await self.personas.delete(persona.id)
            self._record("delete", persona)
            self.redraw()
            c.toast(_("Persona deleted"))

    # ---- editor ----

    def edit(self, persona: Persona | None) -> None:
        """A sheet with both languages; None makes a new persona."""
        language = self._page.view.language
        title = _("New persona") if persona is None else _("Persona “{name}”", name=persona.name(language))
        sheet = c.sheet(title, wide=True)
        boxes: dict[str, ui.input | ui.textarea | ui.number | ui.select] = {}
        panels: dict[str, Element] = {}

        def show(code: str) -> None:
            for other, panel in panels.items():
                panel.set_visibility(other == code)

        with sheet:
            c.tabs({"ru": _("In Russian"), "en": _("In English"), "more": _("Parameters")}, language, show)
            for code in ("ru", "en"):
                with c.el("as-form m-perform") as panels[code]:
                    for field, label, hint, rows in (
                        ("name", _("Name"), _("As it introduces itself"), 0),
                        ("description", _("Manner in a word"), _("Seen here only"), 0),
                        (
                            "prompt",
                            _("Instructions"),
                            _("{company} and {owner} are filled in from the parameters below"),
                            10,
                        ),
                        ("greeting", _("Greeting"), _("Said at the beginning of a call"), 2),
                    ):
                        value = getattr(persona, f"{field}_{code}") if persona is not None else ""
                        boxes[f"{field}_{code}"] = (
                            c.text_area(label, value, hint, rows=rows) if rows else c.text_field(label, value, hint)
                        )
            with c.el("as-form m-perform") as panels["more"]:
                for name, label in PARAMETERS.items():
                    least, most, step = RANGES[name]
                    boxes[name] = c.number_field(
                        _(label), getattr(persona, name) if persona is not None else None,
                        _("{least} to {most}; empty: as usual", least=f"{least:g}", most=f"{most:g}"),
                        minimum=least, maximum=most, step=step,
                    )  # fmt: skip
                models = {
                    model.id: f"{model.title} · {names.provider_title(model)}"
                    for model in self._page.view.application.registries.models()
                }
                chosen = persona.model if persona is not None else None
                if chosen and chosen not in models:
                    models[chosen] = chosen
                boxes["model"] = c.select_field(
                    _("Model of its own"), models, chosen, _("Empty: the order of answer"), clearable=True
                )
        show(language)

        async def save() -> None:
            values = {
                name: box.value if name in PARAMETERS or name == "model" else str(box.value or "") for name, box in boxes.items()
            }
            if values["max_tokens"] is not None:
                values["max_tokens"] = int(values["max_tokens"])
            if persona is None:
                made = await self.personas.create(self._new_id(values), values)
                self._record("create", made)
            else:
                made = await self.personas.update(persona.id, values)
                self._record("update", made)
            sheet.close()
            self.redraw()
            c.toast(_("Persona saved. The next answer already follows it."))

        sheet.actions(
            lambda: (c.button(_("Cancel"), sheet.close, kind="quiet"), c.button(_("Save persona"), save, kind="filled"))
        )
        sheet.open()

    def _new_id(self, values: dict[str, Any]) -> str:
        """A Latin id out of the name; a number where it is taken."""
        name = values.get("name_en") or values.get("name_ru") or "persona"
        base = re.sub(r"[^a-z0-9]+", "-", _latin(str(name).lower())).strip("-")[:30] or "persona"
        if not base[0].isalpha() or len(base) < 2:
            base = f"persona-{base}"
        taken = {persona.id for persona in self.personas.all()} | {"secretary", "current", "default"}
        number, candidate = 2, base
        while candidate in taken:
            candidate, number = f"{base}-{number}", number + 1
        return candidate


_LATIN = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюя",
        [
            "a",
            "b",
            "v",
            "g",
            "d",
            "e",
            "e",
            "zh",
            "z",
            "i",
            "y",
            "k",
            "l",
            "m",
            "n",
            "o",
            "p",
            "r",
            "s",
            "t",
            "u",
            "f",
            "h",
            "ts",
            "ch",
            "sh",
            "sch",
            "-",
            "y",
            "-",
            "e",
            "yu",
            "ya",
        ],
        strict=True,
    )
)


def _latin(text: str) -> str:
    return "".join(_LATIN.get(letter, letter) for letter in text)
