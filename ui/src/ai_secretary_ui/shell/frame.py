"""The shell around a page: rail with fly-outs, top bar with tabs, tools, bottom bar on a phone."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.i18n import N_, Translator
from ai_secretary.pages import Group
from ai_secretary_ui import pictures
from ai_secretary_ui.components.base import MenuItem, el, icon, menu_items, svg
from ai_secretary_ui.shell import live
from ai_secretary_ui.shell.navigation import GROUPS, Place, group_address, group_name
from ai_secretary_ui.shell.session import Visitor

_ = Translator("ui")

THEME_NAMES = {"light": N_("Light"), "dark": N_("Dark"), "night": N_("Night, warm"), "system": N_("As in the system")}
DARK: dict[str, bool] = {"light": False, "dark": True, "night": True}
"""Quasar's mode by theme; `system` has none and follows the browser."""
THEME_ICONS = {"light": "light_mode", "dark": "dark_mode", "night": "bedtime", "system": "contrast"}
LANGUAGE_NAMES = {"ru": "Русский", "en": "English"}


def initials(name: str) -> str:
    """Two letters for the avatar."""
    words = [word for word in name.replace(".", " ").replace("_", " ").replace("-", " ").split() if word]
    if len(words) > 1:
        return (words[0][0] + words[1][0]).upper()
    return name[:2].upper()


class Frame:
    """Draws the shell; `main` is the place of the page."""

    def __init__(
        self, visitor: Visitor, groups: Mapping[Group, list[Place]], group: Group | None, page_id: str, *, flush: bool
    ) -> None:
        self._visitor = visitor
        self._groups = groups
        self._group = group
        self._page_id = page_id
        self._dark = ui.dark_mode(DARK.get(visitor.theme))
        ui.on("as-theme-chosen", self._theme_chosen)
        # the language of the page for screen readers and hyphenation; NiceGUI knows one language per route only
        ui.add_head_html(f"<script>document.documentElement.lang='{visitor.language}'</script>")
        with el("as-app"):
            with el("as-skip", "a", href="#as-main"):
                ui.label(_("To the content")).classes("as-inline")
            self._rail()
            with el("as-main"):
                self._topbar()
                with el("as-page flush" if flush else "as-page", "main", id="as-main", tabindex=-1), el("as-pageinner") as main:
                    self.main: Element = main
            self._bottombar()
        self._lost()

    def _theme_chosen(self, event: GenericEventArguments) -> None:
        """Keep the server's element in step, or its next update would bring the old mode back."""
        if event.args in THEME_NAMES:
            self._visitor.theme = str(event.args)
            self._dark.set_value(DARK.get(self._visitor.theme))

    def _rail(self) -> None:
        parts = [f'<a class="as-brandlink" href="/ui/" aria-label="AI Secretary">{pictures.brand()}</a>']
        for group, (icon_name, _title, _text) in GROUPS.items():
            entries = self._groups[group]
            chosen = ' on" aria-current="true' if group == self._group else ""
            name = escape(group_name(group))
            parts.append(f'<div class="as-railgroup"><a class="as-railitem{chosen}" href="{group_address(group, entries)}">')
            parts.append(f"{_glyph(icon_name)}<span>{name}</span></a>")
            if entries:
                parts.append(f'<div class="as-flyout"><div class="h">{name}</div>')
                parts += [
                    f'<a class="{"on" if place.page.id == self._page_id else ""}" href="{place.address}">'
                    f"{_glyph(place.page.icon)}<span>{escape(place.title)}</span></a>"
                    for place in entries
                ]
                parts.append("</div>")
            parts.append("</div>")
        parts.append(f'<span class="as-railsp"></span><a class="as-railitem" href="/ui/about">{_glyph("help")}')
        parts.append(f"<span>{escape(_('Help'))}</span></a>")
        _markup("".join(parts), "nav", "as-rail").props["aria-label"] = _("Main")

    def _tabs(self) -> None:
        entries = self._groups.get(self._group, []) if self._group is not None else []
        links = [
            f'<a class="as-tab{current}" href="{place.address}">{escape(place.title)}</a>'
            for place in entries
            for current in (' on" aria-current="page' if place.page.id == self._page_id else "",)
        ]
        label = group_name(self._group) if self._group else _("Pages")
        _markup("".join(links), "nav", "as-tabs").props["aria-label"] = label

    def _topbar(self) -> None:
        with el("as-topbar", "header"):
            with el("l1 only-phone"):
                svg(pictures.BRAND_FLAT)
                ui.label(group_name(self._group) if self._group else "AI Secretary").classes("t as-ell")
                el("as-sp")
                live.chip(phone=True)
                search = el("as-icon", "button", type="button", aria_label=_("Find or run"))
                with search:
                    icon("search")
                search.on("click", js_handler="() => asPalette.open()")
                self._more_on_phone()
            self._tabs()
            el("as-sp only-desk")
            with el("as-tools only-desk"):
                live.chip(phone=False)
                pill = el("as-search", "button", type="button", aria_label=_("Find or run"))
                with pill:
                    icon("search")
                    ui.label(_("Find or run…"))
                    ui.label("Ctrl K").classes("as-kbd")
                pill.on("click", js_handler="() => asPalette.open()")
                self._theme_button()
                self._language_button()
                self._user_button()

    def _theme_lines(self) -> None:
        for name, title in THEME_NAMES.items():
            line = ui.menu_item().classes("as-menuitem").props(f'data-theme-choice="{name}"')
            line.on("click", js_handler=f"() => asTheme('{name}')")
            with line:
                icon(THEME_ICONS[name])
                ui.label(_(title))

    def _theme_button(self) -> None:
        with el("as-icon", "button", type="button", aria_label=_("Theme")):
            icon("brightness_6")
            ui.tooltip(_("Theme")).props("delay=300")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                self._theme_lines()

    def _language_lines(self) -> None:
        for code, name in LANGUAGE_NAMES.items():
            line = ui.menu_item().classes("as-menuitem" + (" on" if code == self._visitor.language else ""))
            line.props(f'lang="{code}"')
            line.on("click", js_handler=f"() => asLanguage('{code}')")
            with line:
                ui.label(name)

    def _language_button(self) -> None:
        with el("as-icon as-lang", "button", type="button", aria_label=_("Language")):
            ui.label(self._visitor.language.upper())
            ui.tooltip(_("Language")).props("delay=300")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                self._language_lines()

    def _who(self) -> None:
        principal = self._visitor.principal
        with el("as-userhead"):
            ui.label(principal.name).classes("as-b")
            ui.label(_(ROLE_NAMES.get(principal.role or "", principal.role or ""))).classes("as-12 as-faint")

    def _user_lines(self) -> None:
        menu_items([MenuItem(_("Sessions and password"), icon="devices", href="/ui/account")])
        line = ui.menu_item().classes("as-menuitem")
        line.on("click", js_handler="() => asLogout()")
        with line:
            icon("logout")
            ui.label(_("Log out"))

    def _user_button(self) -> None:
        principal = self._visitor.principal
        with el("as-avatarbtn", "button", type="button", aria_label=_("User {name}", name=principal.name)):
            ui.label(initials(principal.name)).classes("as-avatar")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                self._who()
                ui.separator()
                self._user_lines()

    def _more_on_phone(self) -> None:
        with el("as-icon", "button", type="button", aria_label=_("Theme, language, user")):
            icon("more_vert")
            with ui.menu().props('anchor="bottom right" self="top right" auto-close'):
                self._who()
                ui.separator()
                self._theme_lines()
                ui.separator()
                self._language_lines()
                ui.separator()
                self._user_lines()

    def _bottombar(self) -> None:
        links = [
            f'<a class="b{" on" if group == self._group else ""}" href="{group_address(group, self._groups[group])}">'
            f"{_glyph(icon_name)}<span>{escape(group_name(group))}</span></a>"
            for group, (icon_name, _title, _text) in GROUPS.items()
        ]
        _markup("".join(links), "nav", "as-bottombar").props["aria-label"] = _("Main")

    def _lost(self) -> None:
        text = escape(_("Lost the server. The secretary keeps working; only this page is not updating. Reconnecting…"))
        box = _markup(f'{_glyph("wifi_off")}<div>{text}</div><div class="n"></div>', "div", "as-lost")
        box.props("id=as-lost role=status aria-live=polite")


def _glyph(name: str) -> str:
    return f'<span class="ms" aria-hidden="true">{escape(name)}</span>'


def _markup(content: str, tag: str, classes: str) -> ui.html:
    """The parts of the shell that never change on an open page: one element instead of a hundred. Texts are escaped."""
    return ui.html(content, sanitize=False, tag=tag).classes(classes)


ROLE_NAMES = {"admin": N_("Administrator"), "operator": N_("Operator"), "viewer": N_("Viewer")}
