"""Page header, cards, rows, grids, tabs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from nicegui import ui
from nicegui.element import Element

from ai_secretary_ui.components.base import Draw, el, icon, link, text


def page_header(title: str, fact: str = "", actions: Draw | None = None) -> Element:
    """The one h1 of a page with one line of fact and at most one filled button at the right.

    `page_header(_("Voices"), _("Who speaks, and how fast"), lambda: button(_("Add voice"), add, kind="filled"))`. Returns the
    element of the fact, so that it can be kept up to date (`fact.set_text`).
    """
    with el("as-pagehead"):
        with el("as-pagehead-text"):
            with el(tag="h1"):
                ui.label(title).classes("as-inline")
            line = ui.label(fact).classes("as-fact")
        el("as-sp")
        if actions is not None:
            with el("as-actions"):
                actions()
    return line


def card(
    title: str = "",
    count: int | None = None,
    actions: Draw | None = None,
    *,
    hint: str = "",
    pad: bool = True,
    divide: bool = False,
    state: str = "",
    classes: str = "",
) -> Element:
    """A card; enter what it returns to fill it: `with card(_("Errors"), count=3, pad=False, divide=True): row(…)`.

    `pad` gives the body 16 px at the sides (rows bring their own), `divide` draws hairlines between rows, `state` is `err` or
    `warn` for a coloured border. `actions` draws at the right of the head. Cards do not nest.
    """
    frame = el(f"as-card {state} {classes}".strip(), "section")
    with frame:
        if title:
            with el("as-cardhead"):
                with el(tag="h2"):
                    ui.label(title).classes("as-inline")
                if count is not None:
                    with el("as-badge acc" if state != "err" else "as-badge err", "span"):
                        ui.label(str(count)).classes("as-num as-inline")
                if hint:
                    text(hint, "as-12 as-faint only-desk")
                el("as-sp")
                if actions is not None:
                    actions()
        body = el(("as-cardbody " if pad else "as-cardrows ") + ("as-divide" if divide else ""))
        if not title and pad:
            body.classes("as-alone")
        if title and not pad:
            body.classes("as-ruled")
    return body


def row(
    title: str = "",
    subtitle: str = "",
    *,
    icon_name: str = "",
    live: bool = False,
    href: str | None = None,
    on_click: Callable[[], object] | None = None,
    right: Draw | None = None,
) -> Element:
    """A line of a list: icon tile, title over subtitle, something at the right.

    `row("Denis", "ru · 63 MB", icon_name="graphic_eq", right=lambda: badge("ok", _("Ready"), "check_circle"))`. Without a title
    it is an empty `as-row` to fill.
    """
    element = el("as-row" + (" as-rowlink" if href or on_click else ""), "a" if href else "div")
    if href:
        element.props["href"] = href
    if on_click is not None:
        element.props("role=button tabindex=0")
        element.on("click", on_click)
        element.on("keydown.enter", on_click)
    with element:
        if icon_name:
            with el("as-src" + (" live" if live else ""), "span"):
                icon(icon_name)
        if title:
            with el("as-rowtext"):
                text(title, "as-b as-ell")
                if subtitle:
                    text(subtitle, "as-12 as-faint as-clip2")
        if right is not None:
            el("as-sp")
            with el("as-rowright"):
                right()
    return element


def grid(columns: int = 2, *, side: bool = False, classes: str = "") -> Element:
    """A 12-px grid of cards that becomes one column on a phone and below 1100 px. `side=True`: a wide and a 420-px column."""
    return el(f"as-grid {'as-side' if side else f'as-cols{columns}'} {classes}".strip())


def key_value(pairs: Mapping[str, str] | Sequence[tuple[str, str]], *, mono: bool = False) -> Element:
    """A definition list of facts: `key_value({_("Size"): "63 MB", _("Licence"): "MIT"})`."""
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    with el("as-kv", "dl") as block:
        for key, value in items:
            text(key, tag="dt")
            text(value, "as-mono" if mono else "", tag="dd")
    return block


def code(value: str, *, label: str = "", wrap: bool = True) -> Element:
    """Monospaced text (logs, keys, ids) as it is: `code(traceback, label=_("Details for a specialist"))`."""
    with el("as-code" + ("" if wrap else " nowrap"), tabindex=0) as block:
        if label:
            block.props["aria-label"] = label
        ui.label(value).classes("as-pre")
    return block


def details(summary: str, *, open_: bool = False) -> Element:
    """A fold: `with details(_("Details for a specialist")): code(…)`."""
    with el("as-details", "details") as fold:
        if open_:
            fold.props("open")
        with el(tag="summary"):
            ui.label(summary).classes("as-inline")
        return el("as-detailsbody")


def tabs(
    options: Mapping[str, str], value: str, on_change: Callable[[str], object], *, icons: Mapping[str, str] | None = None
) -> Element:
    """A segmented choice between views of one page: `tabs({"all": _("All"), "on": _("On")}, "all", show)`. Calls
    `on_change(key)`; the keys are yours."""
    buttons: dict[str, Element] = {}
    with el("as-seg", role="tablist") as track:
        for key, label in options.items():
            part = el("as-segbtn" + (" on" if key == value else ""), "button", type="button", role="tab")
            part.props["aria-selected"] = "true" if key == value else "false"
            with part:
                if icons and key in icons:
                    icon(icons[key], size=16)
                ui.label(label).classes("as-inline")

            def choose(chosen: str = key) -> object:
                for other, element in buttons.items():
                    element.classes(add="on" if other == chosen else "", remove="" if other == chosen else "on")
                    element.props["aria-selected"] = "true" if other == chosen else "false"
                    element.update()
                return on_change(chosen)

            part.on("click", lambda _event, chosen=key, act=choose: act(chosen))
            buttons[key] = part
    return track


def toolbar(*draws: Draw) -> Element:
    """A line of filters and actions above a list; wraps on a phone."""
    with el("as-toolbar") as line:
        for draw in draws:
            draw()
    return line


def card_link(label: str, target: str) -> Element:
    """A small link for the head of a card."""
    return link(label, target, "as-link as-13")
