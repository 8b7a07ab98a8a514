"""The page's frame: what is shown in which order, and when it is drawn again."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Hashable

from nicegui import context as page_context
from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job, JobChanged
from ai_secretary_llm_local.downloads import JOB_KIND
from ai_secretary_llm_local.memory import Memory
from ai_secretary_llm_local.panel.banner import Banner
from ai_secretary_llm_local.panel.catalogue import CatalogueCard, OtherFileCard
from ai_secretary_llm_local.panel.downloads import DownloadsCard
from ai_secretary_llm_local.panel.files import FilesCard
from ai_secretary_llm_local.panel.state import Data, Reader, Section
from ai_secretary_llm_local.service import LocalModels, LocalModelsChanged
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c

_ = Translator("llm_local")

_TICK_S = 1.0
_FIGURES_S = 10.0
"""How often memory and speed are looked at while a model is loaded."""


async def build(view: PageView) -> None:
    models: LocalModels = view.application.registries.service("llm_local.models")
    await ModelFilesPage(view, models).draw()


class ModelFilesPage:
    """One open page. A section is drawn again only when what it shows has changed, so that open menus stay open."""

    def __init__(self, view: PageView, models: LocalModels) -> None:
        self.view = view
        self.models = models
        self.reader = Reader(view.can("llm:write"), view.can("llm:admin"), view.language)
        self.data = Data([], [], [], Memory(0, 0))
        self.latest: dict[str, Job] = {}
        self.downloads = DownloadsCard(self)
        self._sections: tuple[Section, ...] = (Banner(self), self.downloads, FilesCard(self), CatalogueCard(self))
        self._places: list[Element] = []
        self._drawn: list[Hashable] = []
        self._fact: Element
        self._dirty = False
        self._figures_at = 0.0

    async def draw(self) -> None:
        refusal = "" if self.reader.may_write else self.not_allowed()
        self._fact = c.page_header(
            _("Model files"), "", lambda: c.button(_("Look again"), self.rescan, icon="refresh", disabled=refusal)
        )
        with c.el("as-grid as-cols1"):
            self._places = [c.el() for _section in self._sections]
            self._drawn = [None] * len(self._places)
            if self.reader.may_write:
                OtherFileCard(self).draw()
        self._listen()
        await self.refresh()

    def _listen(self) -> None:
        bus = self.view.application.bus
        ends = [
            bus.subscribe(LocalModelsChanged, lambda _event: self._mark(), owner="llm_local"),
            bus.subscribe(JobChanged, self._job_changed, owner="llm_local"),
        ]
        for end in ends:
            page_context.client.on_delete(end)
        ui.timer(_TICK_S, self._tick)

    def _mark(self) -> None:
        self._dirty = True

    def _job_changed(self, event: JobChanged) -> None:
        if event.job.kind == JOB_KIND:
            before = self.latest.get(event.job.id)
            self.latest[event.job.id] = event.job
            # Progress alone moves a bar; a new state changes what can be pressed.
            self._dirty = self._dirty or before is None or before.state != event.job.state

    async def _tick(self) -> None:
        """Once a second: what events said meanwhile, drawn in one go."""
        running = any(status.state == "ready" for status in self.data.statuses)
        if self._dirty or (running and time.monotonic() - self._figures_at >= _FIGURES_S):
            await self.refresh(look=False)
        else:
            self.downloads.move()

    async def refresh(self, *, look: bool = True) -> None:
        """Read everything anew and draw what has changed."""
        self._dirty = False
        models = self.models
        self.data = Data(
            await models.statuses(look=look), await models.recommendations(), await models.downloads.list(), await models.memory()
        )
        self._figures_at = time.monotonic()
        self.show()

    def show(self) -> None:
        if self._fact.is_deleted:
            return
        if isinstance(self._fact, ui.label):
            memory = self.data.memory
            free, total = formatting.size(memory.free), formatting.size(memory.total)
            self._fact.set_text(
                _("They answer on this machine, nothing leaves it. Memory: {free} of {total} free", free=free, total=total)
            )
        for index, (section, place) in enumerate(zip(self._sections, self._places, strict=True)):
            key = section.key()
            if key == self._drawn[index]:
                continue
            self._drawn[index] = key
            place.clear()
            with place:
                section.draw()
            place.set_visibility(bool(place.default_slot.children))

    @staticmethod
    def not_allowed() -> str:
        return _("Your role may look, not change")

    async def act(self, doing: Awaitable[object]) -> None:
        """Await an action; say what went wrong; draw what has changed."""
        try:
            await doing
        except SecretaryError as error:
            c.error_toast(error, _)
        await self.refresh()

    async def rescan(self) -> None:
        await self.models.refresh(force=True)
        await self.refresh()
        c.toast(_.plural("{n} model found", "{n} models found", len(self.data.statuses)))
