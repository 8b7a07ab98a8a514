"""The page's frame: sections in their order, drawn again when what they show has changed."""

from __future__ import annotations

from collections.abc import Awaitable, Hashable
from typing import Protocol

from nicegui import context as page_context
from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job, JobChanged
from ai_secretary_tts_piper.downloads import JOB_KIND
from ai_secretary_tts_piper.options import PiperOptions
from ai_secretary_tts_piper.panel.catalogue import CatalogueCard
from ai_secretary_tts_piper.panel.downloads import DownloadsCard
from ai_secretary_tts_piper.panel.installed import InstalledCard
from ai_secretary_tts_piper.service import PiperVoices
from ai_secretary_ui import PageView
from ai_secretary_ui import components as c

_ = Translator("tts_piper")

_TICK_S = 1.0


class Section(Protocol):
    def key(self) -> Hashable:
        """What the section shows; drawn again when it differs."""
        ...

    def draw(self) -> None: ...


async def build(view: PageView) -> None:
    voices: PiperVoices = view.application.registries.service("tts_piper.voices")
    await PiperPage(view, voices).draw()


class PiperPage:
    """One open page."""

    def __init__(self, view: PageView, voices: PiperVoices) -> None:
        self.view = view
        self.voices = voices
        self.may_write = view.can("tts:write")
        self.jobs: list[Job] = []
        """Downloads that are under way, waiting or stopped by an error."""
        self.downloads = DownloadsCard(self)
        self.catalogue = CatalogueCard(self)
        self.frame: Element
        """Where dialogs belong: a section that is drawn anew meanwhile would take its own along."""
        self._sections: tuple[Section, ...] = (self.downloads, InstalledCard(self), self.catalogue)
        self._places: list[Element] = []
        self._drawn: list[Hashable] = []
        self._dirty = False

    @property
    def refusal(self) -> str:
        """Why buttons that change something cannot be pressed, or empty."""
        return "" if self.may_write else _("Your role may look, not change")

    async def draw(self) -> None:
        c.page_header(
            _("Piper voices"),
            _("Natural voices, made on this machine; nothing leaves it"),
            lambda: c.button(_("Look again"), self.rescan, icon="refresh", disabled=self.refusal),
        )
        await self.voices.rescan()
        with c.el("as-grid as-cols1") as self.frame:
            self._places = [c.el() for _section in self._sections]
            self._drawn = [None] * len(self._places)
            if self.may_write:
                with c.card(_("All Piper voices")), c.details(_("Speed, memory, address of the catalogue")):
                    c.settings_form(PiperOptions, self.voices.options(), self._save_options, translate=_)
        page_context.client.on_delete(self.view.application.bus.subscribe(JobChanged, self._job_changed, owner="tts_piper"))
        ui.on("as-voice", self._played)
        ui.timer(_TICK_S, self._tick)
        await self.refresh()
        ui.timer(0, self._fetch_catalogue, once=True)

    async def refresh(self) -> None:
        """Read everything anew and draw what has changed."""
        self._dirty = False
        newest: dict[str, Job] = {}
        for job in await self.voices.downloads.list():
            newest.setdefault(str(job.payload.get("voice", "")), job)
        self.jobs = [job for job in newest.values() if not job.ended or job.state == "failed"]
        self._show()

    def _show(self) -> None:
        if not self._places or self._places[0].is_deleted:
            return
        for index, (section, place) in enumerate(zip(self._sections, self._places, strict=True)):
            key = section.key()
            if key == self._drawn[index]:
                continue
            self._drawn[index] = key
            place.clear()
            with place:
                section.draw()
            place.set_visibility(bool(place.default_slot.children))

    async def _tick(self) -> None:
        """Once a second: states of voices, and what jobs said meanwhile."""
        if self._dirty:
            await self.refresh()
        else:
            self.downloads.move()
            self._show()

    async def _fetch_catalogue(self) -> None:
        await self.catalogue.fetch()
        self._show()

    def _job_changed(self, event: JobChanged) -> None:
        if event.job.kind != JOB_KIND:
            return
        known = {job.id: job for job in self.jobs}
        before = known.get(event.job.id)
        self._dirty = self._dirty or before is None or before.state != event.job.state
        if before is not None:
            self.jobs[self.jobs.index(before)] = event.job

    def _played(self, event: GenericEventArguments) -> None:
        if isinstance(event.args, dict) and event.args.get("state") == "failed":
            c.toast(_("The voice did not sound: {reason}", reason=str(event.args.get("message") or "")), "negative")

    async def act(self, doing: Awaitable[object]) -> bool:
        """Await an action; say what went wrong; draw what has changed."""
        try:
            await doing
        except SecretaryError as error:
            c.error_toast(error, _)
            await self.refresh()
            return False
        await self.refresh()
        return True

    async def rescan(self) -> None:
        await self.voices.rescan()
        await self.refresh()
        c.toast(_.plural("{n} voice found", "{n} voices found", len(self.voices.files())))

    async def _save_options(self, options: PiperOptions) -> None:
        await self.voices.save_options(options)
        c.toast(_("Settings saved. New sentences already follow them."))
        await self.catalogue.fetch()
        self._show()
