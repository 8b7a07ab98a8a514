"""What can be downloaded: the recommended voices first, all others by language and search."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_tts_piper.catalogue import RECOMMENDED, Offer
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting
from ai_secretary_ui.names import language_name

if TYPE_CHECKING:
    from ai_secretary_tts_piper.panel.page import PiperPage

_ = Translator("tts_piper")

_RECOMMENDED = ""
_MOST = 40


class CatalogueCard:
    def __init__(self, page: PiperPage) -> None:
        self._page = page
        self._offers: dict[str, Offer] = {}
        self._loaded = False
        self._language = _RECOMMENDED
        self._search = ""
        self._list: Element | None = None

    async def fetch(self, *, fresh: bool = False) -> None:
        self._offers = await self._page.voices.catalogue.offers(fresh=fresh)
        self._loaded = True

    def key(self) -> Hashable:
        installed = tuple(file.name for file in self._page.voices.files())
        running = tuple((job.payload.get("voice"), job.state) for job in self._page.jobs)
        return installed, running, self._loaded, len(self._offers), self._page.voices.catalogue.fetched_at

    def draw(self) -> None:
        with c.card(_("More voices"), len(self._offers) if self._loaded else None, pad=False):
            if not self._loaded:
                c.skeleton_rows(4, tile_icon=False)
                return
            self._problem()
            with c.el().style("padding:12px 16px 8px"):
                c.toolbar(self._language_choice, lambda: c.search_box(_("Name of a voice"), self._searched, value=self._search))
                c.text(
                    _("Voices have licences of their own, and some exclude business use: read a voice's card before you use it."),
                    "as-12 as-faint",
                )
            self._list = c.el("as-divide")
            self._draw_list()

    def _problem(self) -> None:
        problem = self._page.voices.catalogue.problem
        if problem is None:
            return
        with c.el().style("padding:0 16px 8px"):
            c.note(
                "warn",
                _.error(problem),
                title=_("The catalogue cannot be reached, so this list may be old. Installed voices speak as before."),
                action=lambda: c.button(_("Check again"), self._refresh, icon="refresh", small=True),
            )

    async def _refresh(self) -> None:
        await self.fetch(fresh=True)
        await self._page.refresh()

    def _language_choice(self) -> None:
        names = {offer.language: offer.language_name for offer in self._offers.values()}
        options = {_RECOMMENDED: _("Recommended")} | {
            code: (language_name(code) if language_name(code) != code else name)
            for code, name in sorted(names.items(), key=lambda item: (item[0] != "ru", item[0] != "en", item[1].casefold()))
        }
        c.select_field("", options, self._language, on_change=self._chosen, searchable=True, classes="as-compact").props[
            "aria-label"
        ] = _("Language")

    def _chosen(self, language: str) -> None:
        self._language = language or _RECOMMENDED
        self._draw_list()

    def _searched(self, text: str) -> None:
        self._search = (text or "").strip()
        self._draw_list()

    def _shown(self) -> Sequence[Offer]:
        wanted = self._search.casefold()
        if wanted:
            return [offer for offer in self._offers.values() if wanted in f"{offer.key} {offer.title}".casefold()]
        if self._language == _RECOMMENDED:
            found = [self._offers[key] for key in RECOMMENDED if key in self._offers]
            return sorted(found, key=lambda offer: offer.language != self._page.view.language)
        return [offer for offer in self._offers.values() if offer.language == self._language]

    def _draw_list(self) -> None:
        if self._list is None or self._list.is_deleted:
            return
        self._list.clear()
        offers = self._shown()
        with self._list:
            if not offers:
                c.empty(_("No such voice"), _("No voice of the catalogue is called like that."), picture="none")
            for offer in offers[:_MOST]:
                self._row(offer)
            if len(offers) > _MOST:
                left = len(offers) - _MOST
                more = _.plural("{n} more: search by name", "{n} more: search by name", left)
                c.text(more, "as-12 as-faint").style("padding:12px 16px")

    def _row(self, offer: Offer) -> None:
        parts = [
            language_name(offer.language) if language_name(offer.language) != offer.language else offer.language_name,
            formatting.size(offer.size) if offer.size else "",
            _.plural("{n} speaker", "{n} speakers", offer.speakers) if offer.speakers > 1 else "",
            _(offer.note) if offer.note else "",
        ]
        c.row(offer.title, " · ".join(part for part in parts if part), icon_name="graphic_eq", right=lambda: self._action(offer))

    def _action(self, offer: Offer) -> None:
        if any(file.name == offer.key for file in self._page.voices.files()):
            c.badge("ok", _("Installed"), "check_circle")
        elif (job := next((job for job in self._page.jobs if job.payload.get("voice") == offer.key), None)) and not job.ended:
            c.badge("", _("Paused") if job.state == "paused" else _("Downloading"), "downloading")
        else:
            c.button(
                _("Download"), lambda: self._page.act(self._page.voices.download(offer.key)), icon="download", small=True,
                disabled=self._page.refusal,
            )  # fmt: skip
