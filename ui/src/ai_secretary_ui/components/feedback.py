"""Toasts and dialogs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Literal

from nicegui import context, ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.ids import new_id
from ai_secretary_ui.components.base import Draw, button, el, icon_button, text

_ = Translator("ui")

ToastKind = Literal["positive", "negative", "warning", "info"]
_ICONS = {"positive": "check_circle", "negative": "error", "warning": "warning", "info": "info"}


def toast(message: str, kind: ToastKind = "positive", undo: Callable[[], object] | None = None) -> None:
    """A short message at the corner: `toast(_("Voice changed"), undo=lambda: save(old))`.

    Success goes after 4 seconds (8 with `undo`, which adds a button); failures stay until closed. Never the only copy of an
    error: show it at its place too.
    """
    client = context.client
    actions = "[]"
    if undo is not None:
        holder = client.storage.get("_undo")
        if not isinstance(holder, _Pending):
            holder = client.storage["_undo"] = _Pending()
            ui.on("as-undo", holder.undo)
        key = new_id("undo")
        holder.actions[key] = undo
        actions = f"[{{label:{json.dumps(_('Undo'))},handler:()=>emitEvent('as-undo',{json.dumps(key)})}}]"
    elif kind == "negative":
        actions = f"[{{icon:'sym_o_close','aria-label':{json.dumps(_('Close'))}}}]"
    timeout = 0 if kind == "negative" else 8000 if undo is not None else 4000
    options = json.dumps({"message": message, "type": kind, "icon": f"sym_o_{_ICONS[kind]}", "timeout": timeout})
    client.run_javascript(
        f"Quasar.Notify.create(Object.assign({options},{{actions:{actions},position:innerWidth<=720?'bottom':'bottom-right'}}))"
    )


class _Pending:
    """Actions that a toast of this page can still undo, by key."""

    def __init__(self) -> None:
        self.actions: dict[str, Callable[[], object]] = {}

    def undo(self, event: GenericEventArguments) -> object:
        action = self.actions.pop(str(event.args), None)
        return action() if action is not None else None


def error_toast(error: SecretaryError, translate: Translator | None = None) -> None:
    """An expected error in the reader's language, with its hint."""
    message = (translate or _).error(error)
    if error.hint:
        message = f"{message}. {(translate or _)(error.hint)}"
    toast(message, "negative")


async def confirm(title: str, label: str = "", action_label: str = "", danger: bool = False) -> bool:
    """Ask before something that cannot be undone: `if await confirm(_("Delete “{name}”?", …), _("…"), _("Delete entry"), True)`.

    The title names the object, the text says what is lost and what is kept, the button is a verb and the object.
    """
    with ui.dialog() as dialog, ui.card().classes("as-dialog").props("role=alertdialog aria-modal=true"):
        text(title, "as-dialogtitle", "h2")
        if label:
            text(label, "as-muted as-prose", "p")
        with el("as-dialogfoot"):
            button(_("Cancel"), lambda: dialog.submit(False), kind="quiet")
            button(action_label or _("Confirm"), lambda: dialog.submit(True), kind="danger" if danger else "filled")
    try:
        return bool(await dialog)
    finally:
        if not dialog.is_deleted:
            dialog.delete()


class Sheet:
    """A dialog with a title, a body that scrolls and a foot; see `sheet`."""

    def __init__(self, title: str, wide: bool) -> None:
        with ui.dialog() as self.dialog, ui.card().classes("as-dialog as-sheet" + (" wide" if wide else "")):
            with el("as-sheethead"):
                self._title = ui.label(title).classes("as-dialogtitle")
                self._title.props("role=heading aria-level=2")
                el("as-sp")
                icon_button("close", _("Close"), self.close, small=True)
            self.body = el("as-sheetbody")
            self.foot = el("as-dialogfoot")
            self.foot.set_visibility(False)

    def actions(self, draw: Draw) -> None:
        """Fill the foot: quiet buttons left of the one filled button."""
        self.foot.set_visibility(True)
        with self.foot:
            draw()

    def open(self) -> None:
        self.dialog.open()

    def close(self) -> None:
        """Closed, not destroyed: what was typed stays until `open` is called again."""
        self.dialog.close()

    def destroy(self) -> None:
        if not self.dialog.is_deleted:
            self.dialog.delete()

    def __enter__(self) -> Element:
        return self.body.__enter__()

    def __exit__(self, *exc: object) -> None:
        self.body.__exit__(*exc)


def sheet(title: str, *, wide: bool = False) -> Sheet:
    """A dialog with a form: `s = sheet(_("New entry"))`, `with s: text_field(…)`, `s.actions(lambda: button(…))`, `s.open()`."""
    return Sheet(title, wide)


class UnsavedBar:
    """The bar at the bottom while a form holds unsaved changes."""

    def __init__(self, on_save: Callable[[], object], on_discard: Callable[[], object]) -> None:
        with el("as-unsaved", role="status") as self.element:
            el("as-brassdot", "span")
            text(_("There are unsaved changes"), "as-13")
            el("as-sp")
            button(_("Discard"), on_discard, kind="quiet", small=True)
            button(_("Save"), on_save, kind="filled", small=True)
        self.element.set_visibility(False)

    def show(self, dirty: bool) -> None:
        self.element.set_visibility(dirty)
