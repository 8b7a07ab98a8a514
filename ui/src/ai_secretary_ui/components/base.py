"""The smallest parts: elements, texts, icons, links, buttons, menus."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from nicegui import ui
from nicegui.element import Element

Draw = Callable[[], object]
"""Draws something at the place where it is called."""
Click = Callable[[], object]
"""What a press does; may be a coroutine function. An error that it raises is shown to the reader by the shell."""
ButtonKind = Literal["filled", "outline", "quiet", "soft", "danger", "danger-quiet"]


def el(classes: str = "", tag: str = "div", **attributes: str | int | bool) -> Element:
    """A plain element. `with el("as-row"): …`; attributes as keywords, underscores become dashes (`aria_label="Close"`)."""
    element = ui.element(tag).classes(classes) if classes else ui.element(tag)
    for name, value in attributes.items():
        element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def text(value: str, classes: str = "", tag: str = "div") -> Element:
    """Text exactly as it is (never interpreted as markup). `text(_("Ready"), "as-13 as-muted")`."""
    if tag == "div":
        label = ui.label(value)
        return label.classes(classes) if classes else label
    element = el(classes, tag)
    with element:
        ui.label(value).classes("as-inline")
    return element


def icon(name: str, classes: str = "", size: int | None = None) -> Element:
    """A Material Symbols Outlined icon by its plain name: `icon("call")`. `size` in px; decorative for screen readers."""
    element = ui.icon(f"sym_o_{name}").props("aria-hidden=true")
    if size is not None:
        element.style(f"font-size:{size}px")
    return element.classes(classes) if classes else element


def svg(markup: str, classes: str = "") -> Element:
    """Our own constant markup; never give it anything that came from a person."""
    element = ui.html(markup, sanitize=False)
    return element.classes(classes) if classes else element


def link(label: str, target: str, classes: str = "as-link", new_tab: bool = False) -> Element:
    """A link with our underline: `link(_("All conversations"), "/ui/chat")`."""
    element = ui.link(label, target, new_tab=new_tab).classes(classes)
    return element.props('rel="noopener noreferrer"') if new_tab else element


def live_glyph(classes: str = "") -> Element:
    """Three moving bars: someone is speaking now. Decorative; say it in words beside it."""
    with el(f"as-live {classes}".strip(), "span", aria_hidden="true") as glyph:
        for _index in range(3):
            el(tag="i")
    return glyph


def _pressed(button: Element, on_click: Click) -> Callable[[], object]:
    """`on_click` with a spinner in the button once it takes more than 300 ms, and no second press meanwhile."""

    async def handle() -> None:
        result = on_click()
        if not inspect.isawaitable(result):
            return
        button.props("disable")
        waiting = asyncio.get_running_loop().call_later(0.3, lambda: None if button.is_deleted else button.props("loading"))
        try:
            await result
        finally:
            waiting.cancel()
            if not button.is_deleted:
                button.props(remove="loading disable")

    return handle


def button(
    label: str,
    on_click: Click | None = None,
    *,
    kind: ButtonKind = "outline",
    icon: str | None = None,
    small: bool = False,
    href: str | None = None,
    disabled: str = "",
    classes: str = "",
) -> ui.button:
    """Verb and object on the label: `button(_("Save voice"), save, kind="filled")`.

    `kind="filled"` is the one main action of a page or dialog. `href` makes it a link. `disabled` is the reason why it cannot
    be pressed, shown as a tooltip. A coroutine that takes over 300 ms shows a spinner.
    """
    element = ui.button(label, icon=f"sym_o_{icon}" if icon else None, color="negative" if kind == "danger" else "primary")
    element.props("unelevated no-caps")
    if kind == "outline":
        element.props("outline")
    elif kind in {"quiet", "danger-quiet"}:
        element.props("flat")
    if kind in {"soft", "danger-quiet"}:
        element.classes("as-soft" if kind == "soft" else "as-dangerq")
    if small:
        element.props("dense")
    if classes:
        element.classes(classes)
    if href is not None:
        element.props["href"] = href
    if disabled:
        element.props("disable")
        with element:
            ui.tooltip(disabled)
    elif on_click is not None:
        element.on_click(_pressed(element, on_click))
    return element


def icon_button(
    icon: str, label: str, on_click: Click | None = None, *, small: bool = False, href: str | None = None, classes: str = ""
) -> Element:
    """A button of one icon; `label` is its tooltip and spoken name. `icon_button("search", _("Search"), open)`."""
    element = el(f"as-icon {'as-sm ' if small else ''}{classes}".strip(), "a" if href else "button", aria_label=label)
    if href:
        element.props["href"] = href
    else:
        element.props["type"] = "button"
    with element:
        ui.icon(f"sym_o_{icon}").props("aria-hidden=true")
        ui.tooltip(label).props("delay=300")
    if on_click is not None:
        element.on("click", _pressed(element, on_click))
    return element


@dataclass(slots=True, frozen=True)
class MenuItem:
    """One line of a menu; `danger` ones come last, in red."""

    label: str
    on_click: Click | None = None
    icon: str = ""
    href: str | None = None
    danger: bool = False
    selected: bool = False
    disabled: bool = False


def menu_items(items: Sequence[MenuItem | None]) -> None:
    """Fill an open `ui.menu()`; None draws a hairline."""
    for item in items:
        if item is None:
            ui.separator().classes("!my-1")
            continue
        line = ui.menu_item(on_click=None if item.on_click is None else item.on_click)
        line.classes("as-menuitem" + (" danger" if item.danger else "") + (" on" if item.selected else ""))
        if item.disabled:
            line.props("disable")
        if item.href is not None:
            line.props["href"] = item.href
            line.props["tag"] = "a"
        with line:
            if item.icon:
                ui.icon(f"sym_o_{item.icon}").props("aria-hidden=true")
            ui.label(item.label)
            if item.selected:
                el("as-sp", "span")
                ui.icon("sym_o_check").props("aria-hidden=true")


def menu(items: Sequence[MenuItem | None], *, label: str, icon: str = "more_vert", small: bool = True) -> Element:
    """A "more" button with a menu: `menu([MenuItem(_("Rename"), rename, "edit"), None, MenuItem(_("Delete"), …, danger=True)],
    label=_("Actions for this entry"))`."""
    element = icon_button(icon, label, small=small)
    with element, ui.menu().props('anchor="bottom right" self="top right" auto-close'):
        menu_items(items)
    return element
