"""The page as a whole, and when which part of it is drawn anew."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.jobs import JobChanged
from ai_secretary.plugins import PluginContext
from ai_secretary_stt.downloads import JOB_KIND
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.panel.catalogue import CatalogueCard
from ai_secretary_stt.panel.installed import InstalledCard
from ai_secretary_stt.panel.trial import TrialCard
from ai_secretary_stt.service import RecognizersChanged, SttModels
from ai_secretary_ui import PageView
from ai_secretary_ui import components as c
from ai_secretary_ui.shell.updates import on_bus

_ = Translator("stt")


class RecognitionPage:
    """One open page of one reader."""

    def __init__(self, view: PageView) -> None:
        assert view.context is not None
        self.view = view
        self.context: PluginContext = view.context
        self.models = cast("SttModels", view.context.registries.service("stt.models"))
        self.may_write = view.can("stt:write")
        self.trial = TrialCard(self)
        self.installed = InstalledCard(self)
        self.catalogue = CatalogueCard(self)
        self._fact: Element

    async def draw(self) -> None:
        self._fact = c.page_header(_("Recognition"), self._facts())
        with c.grid(side=True):
            with c.el("as-grid").style("align-content:start"):
                self.trial.draw()
                self.installed.draw()
            with c.el("as-grid").style("align-content:start"):
                await self.catalogue.draw()
                self._options()
        client = ui.context.client
        on_bus(client, self.context.bus, RecognizersChanged, lambda _event: self.refresh())
        on_bus(client, self.context.bus, JobChanged, self._job_changed)

    def _facts(self) -> str:
        ready = [listed.info.title for listed in self.models.installed() if listed.info.state == "ready"]
        if ready:
            return _("Listening now: {names}. Nothing that is said leaves this machine", names=", ".join(ready))
        loading = [listed.info.title for listed in self.models.installed() if listed.info.state == "loading"]
        if loading:
            return _("{name} is loading", name=loading[0])
        if self.models.installed():
            return _("A recogniser loads at the first speech")
        return _("There is no recogniser yet: download one")

    async def refresh(self) -> None:
        """Draw what depends on the models anew."""
        if isinstance(self._fact, ui.label):
            self._fact.set_text(self._facts())
        self.installed.refresh()
        self.trial.refresh()
        await self.catalogue.refresh()

    async def _job_changed(self, event: JobChanged) -> None:
        if event.job.kind == JOB_KIND:
            await self.catalogue.moved(event.job)

    async def act(self, doing: Awaitable[object]) -> bool:
        """Await an action; say what went wrong; draw what has changed. Whether it went well."""
        try:
            await doing
        except SecretaryError as error:
            c.error_toast(error, _)
            await self.refresh()
            return False
        await self.refresh()
        return True

    def _options(self) -> None:
        if not self.may_write:
            return
        with c.card(_("How it listens")):
            c.settings_form(SttOptions, self.models.options(), self.models.save_options, translate=_)
