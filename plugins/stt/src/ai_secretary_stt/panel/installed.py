"""The models that are here: state, size, origin; load, unload, delete; which one listens to which language."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nicegui.element import Element

from ai_secretary.audit import AuditEvent
from ai_secretary.i18n import N_, Translator
from ai_secretary_stt.service import Listed
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting
from ai_secretary_ui.components.status import StatKind

if TYPE_CHECKING:
    from ai_secretary_stt.panel.page import RecognitionPage

_ = Translator("stt")

STATES: dict[str, tuple[StatKind, str]] = {
    "ready": ("ok", N_("Ready")),
    "loading": ("warn", N_("Loading")),
    "idle": ("off", N_("Loads at the first speech")),
    "unavailable": ("err", N_("Does not work")),
}
ORIGINS = {"folder": N_("model folder"), "package": N_("installed with the program"), "cache": N_("from the hub’s cache")}


class InstalledCard:
    def __init__(self, page: RecognitionPage) -> None:
        self.page = page
        self._place: Element

    def draw(self) -> None:
        self._place = c.el("as-grid")
        self.refresh()

    def refresh(self) -> None:
        if self._place.is_deleted:
            return
        self._place.clear()
        found = self.page.models.installed()
        with self._place, c.card(_("Recognisers"), count=len(found), actions=self._actions, pad=False, divide=True):
            if not found:
                c.empty(
                    _("There is no recogniser yet"),
                    _("Download one at the side. Until then the secretary cannot hear calls and voice messages."),
                )
            for listed in found:
                self._row(listed)
            if found:
                self._preferred(found)

    def _actions(self) -> None:
        if self.page.may_write:
            c.icon_button("refresh", _("Look at the disk again"), self._rescan, small=True)

    async def _rescan(self) -> None:
        await self.page.act(self.page.models.refresh())

    def _row(self, listed: Listed) -> None:
        model, info = listed.model, listed.info
        with c.row(icon_name="graphic_eq"):
            with c.el("as-rowtext").style("flex:1 1 50%;min-width:0"):
                c.text(info.title, "as-b as-ell")
                c.text(_(info.description), "as-12 as-faint")
                facts = [languages(model.languages), formatting.size(model.size_bytes), _(ORIGINS[model.origin])]
                if listed.status.load_seconds is not None:
                    facts.append(_("loaded in {time}", time=formatting.seconds(listed.status.load_seconds)))
                c.text(" · ".join(facts), "as-12 as-faint as-num")
                if info.reason:
                    c.text(_(info.reason), "as-12").style("color:var(--err);overflow-wrap:anywhere")
            with c.el("as-rowright"):
                kind, name = STATES[info.state]
                c.stat(kind, _(name))
                if self.page.may_write:
                    self._menu(listed)

    def _menu(self, listed: Listed) -> None:
        model_id, state = listed.model.id, listed.info.state
        items: list[c.MenuItem | None] = []
        if state in {"idle", "unavailable"}:
            items.append(c.MenuItem(_("Load now"), lambda: self._load(model_id), "play_arrow"))
        else:
            items.append(c.MenuItem(_("Free the memory"), lambda: self.page.act(self.page.models.unload(model_id)), "memory"))
        if listed.model.deletable:
            items += [None, c.MenuItem(_("Delete the model"), lambda: self._delete(listed), "delete", danger=True)]
        c.menu(items, label=_("Actions for {name}", name=listed.info.title))

    async def _load(self, model_id: str) -> None:
        await self.page.act(self.page.models.load(model_id))

    async def _delete(self, listed: Listed) -> None:
        sure = await c.confirm(
            _("Delete {name}?", name=listed.info.title),
            _("{size} become free. You can download the model again at any time.", size=formatting.size(listed.model.size_bytes)),
            _("Delete the model"),
            True,
        )
        if sure and await self.page.act(self.page.models.delete(listed.model.id)):
            c.toast(_("{name} is deleted", name=listed.info.title))

    def _preferred(self, found: list[Listed]) -> None:
        """Who listens to Russian and to English: the house's preference, shown where the choice is."""
        voice = self.page.view.application.voice
        with c.el("as-row").style("flex-wrap:wrap"):
            for language, label in (("ru", _("For Russian speech")), ("en", _("For English speech"))):
                options = {"": _("The best that is here")} | {
                    listed.model.id: listed.info.title
                    for listed in found
                    if listed.model.languages is None or language in listed.model.languages
                }
                current = voice.preferences.recognizer_for(language)
                options.setdefault(current, current)
                with c.el().style("flex:1 1 200px;min-width:0"):
                    c.select_field(
                        label,
                        options,
                        current,
                        on_change=partial(self._prefer, language),
                        disabled=not self.page.may_write,
                    )

    async def _prefer(self, language: str, model_id: str | None) -> None:
        voice = self.page.view.application.voice
        changed = {f"recognizer_{language}": model_id or ""}
        await voice.save_preferences(voice.preferences.model_copy(update=changed))
        self.page.view.application.audit.record(AuditEvent("stt.choose", "recognizer", model_id or "", dict(changed)))
        c.toast(_("Saved. New speech is already heard by it"))


def languages(codes: tuple[str, ...] | None) -> str:
    """`("ru",)` in words."""
    if codes is None:
        return _("many languages")
    known = {"ru": _("Russian"), "en": _("English")}
    return ", ".join(known.get(code, code) for code in codes)
