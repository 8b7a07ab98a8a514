"""A form made from a pydantic model: one control per field, checked by the model itself."""

from __future__ import annotations

import enum
import types
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from nicegui.element import Element
from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from ai_secretary.i18n import Translator
from ai_secretary_ui.components import forms
from ai_secretary_ui.components.base import button, el, text
from ai_secretary_ui.components.feedback import UnsavedBar, toast
from ai_secretary_ui.components.status import note

_ = Translator("ui")

M = TypeVar("M", bound=BaseModel)


def _plain(annotation: Any) -> tuple[Any, bool]:
    """The type without `| None`, and whether None is allowed."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [part for part in get_args(annotation) if part is not type(None)]
        optional = len(parts) < len(get_args(annotation))
        return (parts[0] if len(parts) == 1 else str), optional
    return annotation, False


def _range(info: FieldInfo) -> tuple[float | None, float | None]:
    low = high = None
    for item in info.metadata:
        if isinstance(item, annotated_types.Ge | annotated_types.Gt):
            low = float(item.ge if isinstance(item, annotated_types.Ge) else item.gt)  # type: ignore[arg-type]
        elif isinstance(item, annotated_types.Le | annotated_types.Lt):
            high = float(item.le if isinstance(item, annotated_types.Le) else item.lt)  # type: ignore[arg-type]
        elif isinstance(item, annotated_types.Interval):
            low = float(item.ge) if item.ge is not None else low  # type: ignore[arg-type]
            high = float(item.le) if item.le is not None else high  # type: ignore[arg-type]
    return low, high


class SettingsForm(Generic[M]):
    """See `settings_form`."""

    def __init__(
        self,
        model: type[M],
        value: M,
        on_save: Callable[[M], Awaitable[None] | None],
        translate: Callable[[str], str],
        bar: bool,
    ) -> None:
        self._model = model
        self._value = value
        self._on_save = on_save
        self._translate = translate
        self._read: dict[str, Callable[[], Any]] = {}
        self._places: dict[str, forms.Field] = {}
        self._nested: dict[str, SettingsForm[Any]] = {}
        self._changed: Callable[[], object] = lambda: None
        with el("as-form") as self.element:
            for name, info in model.model_fields.items():
                self._field(name, info)
            self._general = el()
        self._bar = UnsavedBar(self.save, self.discard) if bar else None
        if bar:
            self._changed = lambda: self._bar.show(True) if self._bar else None

    def _field(self, name: str, info: FieldInfo) -> None:
        annotation, optional = _plain(info.annotation)
        label = self._translate(info.title or name.replace("_", " ").capitalize())
        hint = self._translate(info.description) if info.description else ""
        current = getattr(self._value, name)
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            with el("as-formgroup", "fieldset"):
                text(label, "as-h2", "legend")
                if hint:
                    text(hint, "as-12 as-faint")
                nested: SettingsForm[Any] = SettingsForm(annotation, current, lambda _value: None, self._translate, False)
            nested._changed = self._dirty
            self._nested[name] = nested
            return
        control = self._control(annotation, optional, info, label, hint, current, extra, name)
        place = getattr(control, "as_field", None)
        if isinstance(place, forms.Field):
            self._places[name] = place

    def _control(
        self,
        annotation: Any,
        optional: bool,
        info: FieldInfo,
        label: str,
        hint: str,
        current: Any,
        extra: dict[str, Any],
        name: str,
    ) -> Element:
        def change(_value: object) -> object:
            return self._dirty()

        origin = get_origin(annotation)
        low, high = _range(info)
        if annotation is bool:
            switch = forms.switch_row(label, bool(current), change, hint)
            self._read[name] = lambda: switch.value
            return switch
        if annotation is SecretStr:
            stored = current.get_secret_value() if isinstance(current, SecretStr) else ""
            secret = forms.password_field(label, hint, saved=mask(stored) if stored else "", on_change=change)
            self._read[name] = lambda: secret.value or stored or (None if optional else "")
            return secret
        if origin is Literal or (isinstance(annotation, type) and issubclass(annotation, enum.Enum)):
            values = list(get_args(annotation)) if origin is Literal else [item.value for item in annotation]
            options: dict[Any, str] = {value: self._translate(str(value)) for value in values}
            chosen = current.value if isinstance(current, enum.Enum) else current
            select = forms.select_field(label, options, chosen, hint, change, clearable=optional)
            self._read[name] = lambda: select.value
            return select
        if annotation in (int, float):
            whole = annotation is int
            if low is not None and high is not None and not optional and (not whole or high - low <= 200):
                step = 1.0 if whole else _step(high - low)
                slider = forms.slider_field(
                    label, float(current), minimum=low, maximum=high, step=step, hint=hint, on_change=change
                )
                self._read[name] = lambda: int(slider.value) if whole else float(slider.value)
                return slider
            box = forms.number_field(label, current, hint, change, minimum=low, maximum=high, step=1 if whole else None)
            self._read[name] = lambda: None if box.value is None else int(box.value) if whole else float(box.value)
            return box
        if origin in (list, tuple, set, frozenset):
            chips = forms.chips_input(label, [str(item) for item in current or ()], hint, change)
            self._read[name] = lambda: list(chips.value or ())
            return chips
        if extra.get("multiline"):
            area = forms.text_area(label, "" if current is None else str(current), hint, change)
            self._read[name] = lambda: area.value or (None if optional else "")
            return area
        line = forms.text_field(label, "" if current is None else str(current), hint, change)
        self._read[name] = lambda: line.value or (None if optional else "")
        return line

    def _dirty(self) -> object:
        return self._changed()

    def data(self) -> dict[str, Any]:
        """What the controls hold now, not yet checked."""
        return {name: read() for name, read in self._read.items()} | {name: form.data() for name, form in self._nested.items()}

    def value(self) -> M | None:
        """The checked model, or None after the errors have been put beside their fields."""
        self._clear_errors()
        try:
            return self._model.model_validate(self.data())
        except ValidationError as error:
            for item in error.errors(include_url=False, include_input=False):
                self._show_error([str(part) for part in item["loc"]], explain(item["type"], item.get("ctx") or {}, item["msg"]))
            return None

    def _clear_errors(self) -> None:
        for place in self._places.values():
            place.error("")
        self._general.clear()
        for form in self._nested.values():
            form._clear_errors()

    def _show_error(self, path: list[str], message: str) -> None:
        if path and path[0] in self._nested:
            self._nested[path[0]]._show_error(path[1:], message)
        elif path and path[0] in self._places:
            self._places[path[0]].error(message)
        else:
            with self._general:
                note("err", message)

    async def save(self) -> bool:
        """Check and hand over to `on_save`. False when something is wrong (and shown)."""
        value = self.value()
        if value is None:
            return False
        result = self._on_save(value)
        if isinstance(result, Awaitable):
            await result
        self._value = value
        if self._bar is not None:
            self._bar.show(False)
        toast(_("Settings saved"))
        return True

    def discard(self) -> None:
        """Draw the form anew with the stored values."""
        self._read.clear()
        self._places.clear()
        self._nested.clear()
        self.element.clear()
        with self.element:
            for name, info in self._model.model_fields.items():
                self._field(name, info)
            self._general = el()
        if self._bar is not None:
            self._bar.show(False)


def _step(width: float) -> float:
    for step in (0.01, 0.05, 0.1, 0.5):
        if width / step <= 60:
            return step
    return 1.0


def mask(secret: str) -> str:
    """ "•••• 4f2a": enough to recognise a long secret, nothing of a short one."""
    return "•••• " + (secret[-4:] if len(secret) >= 12 else "")


def explain(kind: str, context: dict[str, Any], fallback: str) -> str:
    """A validation error of pydantic in the reader's language."""
    known: dict[str, str] = {
        "greater_than_equal": _("Must be {ge} or more"),
        "less_than_equal": _("Must be {le} or less"),
        "greater_than": _("Must be more than {gt}"),
        "less_than": _("Must be less than {lt}"),
        "string_too_short": _("At least {min_length} characters"),
        "string_too_long": _("At most {max_length} characters"),
        "missing": _("This field is needed"),
        "int_parsing": _("A whole number is needed"),
        "int_type": _("A whole number is needed"),
        "float_parsing": _("A number is needed"),
        "float_type": _("A number is needed"),
        "url_parsing": _("An address such as https://example.com is needed"),
    }
    template = known.get(kind)
    if template is None:
        return fallback.removeprefix("Value error, ")
    try:
        return template.format(**context)
    except (KeyError, IndexError):
        return fallback


def settings_form(
    model: type[M],
    value: M,
    on_save: Callable[[M], Awaitable[None] | None],
    *,
    translate: Callable[[str], str],
    save_button: bool = False,
) -> SettingsForm[M]:
    """A form for a pydantic model: `settings_form(Options, context.options(Options), context.save_options, translate=_)`.

    Titles and descriptions of the fields are message ids of `translate`. Bounded numbers become sliders, `Literal` a select,
    `SecretStr` a password field that keeps the stored value when left alone, `list[str]` chips, nested models groups,
    `json_schema_extra={"multiline": True}` an area. Errors of the model appear beside their fields. A bar at the bottom appears
    with the first change; `save_button=True` draws an ordinary button instead (for dialogs).
    """
    form = SettingsForm(model, value, on_save, translate, not save_button)
    if save_button:
        with el("as-dialogfoot"):
            button(_("Save settings"), form.save, kind="filled")
    return form
