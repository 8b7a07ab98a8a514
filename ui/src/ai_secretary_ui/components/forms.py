"""Form controls with the label above, a hint below and an error in words. All texts come already translated."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nicegui import ui
from nicegui.element import Element
from nicegui.events import UploadEventArguments

from ai_secretary.i18n import Translator
from ai_secretary_ui.components.base import Click, Draw, button, el, icon, text

_ = Translator("ui")

E = TypeVar("E", bound=Element)
Change = Callable[[Any], object]
"""Gets the new value; may be a coroutine function."""


class Field:
    """Where a control's error and hint are shown."""

    def __init__(self, label: str, hint: str) -> None:
        with el("as-field") as self.element:
            if label:
                text(label, "as-label")
            self.body = el("as-fieldbody")
            self._hint = ui.label(hint).classes("hint")
            self._hint.set_visibility(bool(hint))
            self._error = ui.label("").classes("as-fielderror").props("role=alert")
            self._error.set_visibility(False)

    def error(self, message: str) -> None:
        """Show what is wrong, or nothing for an empty message."""
        self._error.set_text(message)
        self._error.set_visibility(bool(message))
        self.element.classes(add="invalid" if message else "", remove="" if message else "invalid")

    def hint(self, message: str) -> None:
        self._hint.set_text(message)
        self._hint.set_visibility(bool(message))


def field(label: str, control: Callable[[], E], hint: str = "") -> E:
    """A label above any control: `name = field(_("Name"), lambda: ui.input(value="x"), _("As it introduces itself"))`.

    Returns the control; `field_of(control)` gives the place of its error and hint.
    """
    place = Field(label, hint)
    with place.body:
        made = control()
    if label and "aria-label" not in made.props:
        made.props["aria-label"] = label
    made.as_field = place  # type: ignore[attr-defined]  # rides along with the control
    return made


def field_of(control: Element) -> Field:
    """The field that a control of this module sits in."""
    place = getattr(control, "as_field", None)
    if not isinstance(place, Field):
        raise TypeError("this control was not made by a function of ai_secretary_ui.components")
    return place


def _changed(on_change: Change | None) -> Callable[[Any], object] | None:
    return None if on_change is None else lambda event: on_change(event.value)


def text_field(
    label: str,
    value: str = "",
    hint: str = "",
    on_change: Change | None = None,
    *,
    placeholder: str = "",
    icon_name: str = "",
    max_length: int | None = None,
    disabled: bool = False,
    classes: str = "",
) -> ui.input:
    """One line of text: `name = text_field(_("Name"), "Front desk", _("People see it"))`, read `name.value`."""

    def make() -> ui.input:
        box = ui.input(value=value, placeholder=placeholder, on_change=_changed(on_change)).props("outlined dense")
        if max_length is not None:
            box.props["maxlength"] = max_length
        if disabled:
            box.props("disable")
        if icon_name:
            with box.add_slot("prepend"):
                icon(icon_name, size=18)
        return box.classes(classes) if classes else box

    return field(label, make, hint)


def text_area(
    label: str,
    value: str = "",
    hint: str = "",
    on_change: Change | None = None,
    *,
    placeholder: str = "",
    rows: int = 4,
    max_length: int | None = None,
) -> ui.textarea:
    """Several lines of text; grows with what is written."""

    def make() -> ui.textarea:
        box = ui.textarea(value=value, placeholder=placeholder, on_change=_changed(on_change))
        box.props(f'outlined dense autogrow input-style="min-height:{rows * 1.5}em"')
        if max_length is not None:
            box.props["maxlength"] = max_length
        return box

    return field(label, make, hint)


def number_field(
    label: str,
    value: float | None = None,
    hint: str = "",
    on_change: Change | None = None,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    step: float | None = None,
    unit: str = "",
) -> ui.number:
    """A number; the range is checked by the server too, so say it in the hint."""

    def make() -> ui.number:
        box = ui.number(value=value, min=minimum, max=maximum, step=step, on_change=_changed(on_change))
        box.props("outlined dense")
        if unit:
            box.props["suffix"] = unit
        return box

    return field(label, make, hint)


def slider_field(
    label: str,
    value: float,
    *,
    minimum: float,
    maximum: float,
    step: float,
    words: Callable[[float], str] | None = None,
    hint: str = "",
    on_change: Change | None = None,
) -> ui.slider:
    """A slider that always shows its number and what it means: `words=lambda v: f"{v} — livelier"`."""

    def make() -> ui.slider:
        with el("as-slider"):
            bar = ui.slider(min=minimum, max=maximum, step=step, value=value).props('track-size="4px"')
            shown = ui.label().classes("as-slidervalue as-num")

        def show(amount: float) -> None:
            shown.set_text(words(amount) if words else f"{amount:g}")

        show(value)
        bar.on_value_change(lambda event: show(event.value))
        if on_change is not None:
            bar.on("change", lambda _event: on_change(bar.value), args=[])
        return bar

    return field(label, make, hint)


def select_field(
    label: str,
    options: Mapping[Any, str] | Sequence[str],
    value: Any = None,
    hint: str = "",
    on_change: Change | None = None,
    *,
    searchable: bool = False,
    multiple: bool = False,
    clearable: bool = False,
    disabled: bool = False,
    classes: str = "",
) -> ui.select:
    """One of several: `select_field(_("Voice"), {"a": "Denis"}, "a", on_change=save)`; keys are yours, values are shown."""

    def make() -> ui.select:
        choices: Any = dict(options) if isinstance(options, Mapping) else list(options)
        box = ui.select(
            choices, value=value, on_change=_changed(on_change), with_input=searchable, multiple=multiple, clearable=clearable
        )
        box.props("outlined dense options-dense")
        if disabled:
            box.props("disable")
        return box.classes(classes) if classes else box

    return field(label, make, hint)


def password_field(
    label: str,
    hint: str = "",
    *,
    saved: str = "",
    on_test: Click | None = None,
    on_change: Change | None = None,
    autocomplete: str = "off",
) -> ui.input:
    """A secret: `key = password_field(_("Access key"), saved="•••• 4f2a" if stored else "", on_test=check)`.

    With `saved`, the stored value is shown masked with "Replace"; the box appears after that. An empty `value` on save means:
    keep what is stored. Secrets never come back from the server.
    """

    def make() -> ui.input:
        box = ui.input(password=True, password_toggle_button=False, on_change=_changed(on_change))
        box.props(f'outlined dense autocomplete="{autocomplete}" spellcheck=false')
        with box.add_slot("append"):
            eye = el("as-icon as-sm", "button", type="button", aria_label=_("Show or hide"))
            with eye:
                picture = ui.icon("sym_o_visibility").props("aria-hidden=true")

            def toggle() -> None:
                hidden = box.props.get("type") == "password"
                box.props["type"] = "text" if hidden else "password"
                picture.props["name"] = "sym_o_visibility_off" if hidden else "sym_o_visibility"
                box.update()
                picture.update()

            eye.on("click", toggle)
        if saved:
            box.set_visibility(False)
            with el("as-saved") as line:
                icon("key", size=18)
                text(saved, "as-mono")
                el("as-sp")

                def replace() -> None:
                    line.set_visibility(False)
                    box.set_visibility(True)
                    box.run_method("focus")

                button(_("Replace"), replace, kind="quiet", small=True)
                if on_test is not None:
                    button(_("Check"), on_test, kind="outline", small=True)
        return box

    return field(label, make, hint)


def switch_row(
    label: str,
    value: bool,
    on_change: Change | None = None,
    hint: str = "",
    *,
    disabled: str = "",
) -> ui.switch:
    """A switch with its words at the left; takes effect at once. `switch_row(_("Speak answers"), True, save, _("In the chat"))`.

    `disabled` is the reason why it cannot be moved.
    """
    with el("as-switchrow"):
        with el("as-rowtext"):
            text(label, "as-b5")
            if hint:
                text(hint, "as-12 as-faint")
        el("as-sp")
        made = ui.switch(value=value, on_change=_changed(on_change))
        made.props["aria-label"] = label
        if disabled:
            made.props("disable")
            with made:
                ui.tooltip(disabled)
    return made


def checkbox(label: str, value: bool = False, on_change: Change | None = None) -> ui.checkbox:
    """A box that takes effect on save."""
    return ui.checkbox(label, value=value, on_change=_changed(on_change))


def chips_input(
    label: str,
    values: Sequence[str] = (),
    hint: str = "",
    on_change: Change | None = None,
    *,
    placeholder: str = "",
) -> ui.input_chips:
    """Several short texts, each ended by Enter: `words = chips_input(_("Keywords"), ["hours"])`, read `words.value`."""

    def make() -> ui.input_chips:
        box = ui.input_chips(value=list(values), new_value_mode="add-unique", on_change=_changed(on_change))
        box.props("outlined dense hide-dropdown-icon")
        if placeholder:
            box.props["placeholder"] = placeholder
        return box

    return field(label, make, hint)


@dataclass(slots=True, frozen=True)
class Choice:
    """One card of `choice_cards`."""

    key: str
    title: str
    text: str = ""
    icon: str = ""
    marks: Draw | None = None
    """Draws badges beneath the text."""
    disabled: str = ""
    """The reason why it cannot be chosen."""


def choice_cards(choices: Sequence[Choice], value: str | None, on_change: Change, *, label: str, columns: int = 2) -> Element:
    """A choice with explanations (voices, plans, models): cards as radio buttons.

    `choice_cards([Choice("a", "Denis", _("Calm"))], "a", save, label=_("Voice"))` calls `on_change(key)`.
    """
    cards: dict[str, Element] = {}

    def choose(key: str) -> object:
        for other, card in cards.items():
            card.classes(add="on" if other == key else "", remove="" if other == key else "on")
            card.props["aria-checked"] = "true" if other == key else "false"
            card.update()
        return on_change(key)

    with el(f"as-grid as-cols{columns} as-choices", role="radiogroup", aria_label=label) as group:
        for choice in choices:
            card = el("as-choice" + (" on" if choice.key == value else ""), "button", type="button", role="radio")
            card.props["aria-checked"] = "true" if choice.key == value else "false"
            cards[choice.key] = card
            with card:
                if choice.icon:
                    with el("as-src", "span"):
                        icon(choice.icon)
                with el("as-rowtext"):
                    text(choice.title, "as-b")
                    if choice.text:
                        text(choice.text, "as-13 as-muted")
                    if choice.marks is not None:
                        with el("as-badges as-gap"):
                            choice.marks()
                el("as-radio", "span")
                if choice.disabled:
                    ui.tooltip(choice.disabled)
            if choice.disabled:
                card.props["disabled"] = True
            else:
                card.on("click", lambda _event, key=choice.key: choose(key))
    return group


def file_drop(
    label: str,
    on_file: Callable[[str, bytes], object],
    *,
    accept: str = "",
    max_bytes: int = 20_000_000,
    hint: str = "",
    icon_name: str = "upload_file",
) -> ui.upload:
    """A place to drop or choose a file: `file_drop(_("Choose a CSV file"), load, accept=".csv")` calls `on_file(name, data)`.

    The name is a label from outside and must never become a path.
    """
    from ai_secretary_ui import formatting
    from ai_secretary_ui.components.feedback import toast

    async def received(event: UploadEventArguments) -> None:
        data = await event.file.read()
        result = on_file(event.file.name, data)
        if asyncio.iscoroutine(result):
            await result
        box.reset()

    def rejected() -> None:
        toast(_("This file does not fit: up to {size}, {kinds}", size=formatting.size(max_bytes), kinds=accept or "*"), "warning")

    with el("as-drop") as place:
        icon(icon_name, size=24)
        text(label, "as-b5")
        if hint:
            text(hint, "as-12 as-faint")
        box = ui.upload(on_upload=received, on_rejected=rejected, auto_upload=True, max_file_size=max_bytes)
        box.classes("as-hidden").props("flat")
        if accept:
            box.props["accept"] = accept
    place.props["role"] = "button"
    place.props["tabindex"] = 0
    place.props["aria-label"] = label
    place.on("click", lambda: box.run_method("pickFiles"))
    place.on("keydown.enter", lambda: box.run_method("pickFiles"))
    place.on(
        "drop.prevent",
        js_handler=f"(event) => getElement({box.id}).$refs.qRef.addFiles([...event.dataTransfer.files])",
    )
    place.on("dragover.prevent", js_handler="() => {}")
    return box


def search_box(
    placeholder: str, on_search: Callable[[str], object], *, value: str = "", delay_ms: int = 250, classes: str = ""
) -> ui.input:
    """Search as you type: calls `on_search(text)` when the typing pauses for `delay_ms`."""
    box = ui.input(value=value, placeholder=placeholder, on_change=_changed(on_search))
    box.props(f'outlined dense clearable debounce={delay_ms} type="search"').classes(f"as-searchbox {classes}".strip())
    box.props["aria-label"] = placeholder
    with box.add_slot("prepend"):
        icon("search", size=18)
    return box
