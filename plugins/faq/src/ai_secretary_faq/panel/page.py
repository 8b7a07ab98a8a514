"""The page as a whole: header, list at the left, trial and options at the right."""

from __future__ import annotations

from typing import cast

from nicegui import ui

from ai_secretary.i18n import Translator
from ai_secretary.plugins import PluginContext
from ai_secretary_faq.actions import FaqActions
from ai_secretary_faq.catalogue import FaqReloaded
from ai_secretary_faq.options import FaqOptions
from ai_secretary_faq.panel.listing import Listing
from ai_secretary_faq.panel.transfer import TransferSheet
from ai_secretary_faq.panel.trial import Trial
from ai_secretary_ui import PageView
from ai_secretary_ui import components as c
from ai_secretary_ui.shell.updates import on_bus

_ = Translator("faq")


class FaqPage:
    """One open page of one reader."""

    def __init__(self, view: PageView) -> None:
        assert view.context is not None
        self.view = view
        self.context: PluginContext = view.context
        self.actions = cast("FaqActions", view.context.registries.service("faq.actions"))
        self.may_write = view.can("faq:write")
        self.listing = Listing(view, self.actions, may_write=self.may_write)
        self.trial = Trial(view, self.actions)

    def draw(self) -> None:
        self._fact = c.page_header(_("FAQ"), self._facts(), self._header_actions)
        with c.grid(side=True):
            with c.el("as-grid").style("align-content:start"):
                self.listing.draw()
            with c.el("as-grid").style("align-content:start"):
                self.trial.draw()
                self._options()
        on_bus(ui.context.client, self.context.bus, FaqReloaded, lambda _event: self._reloaded())

    def _facts(self) -> str:
        catalogue, options = self.actions.catalogue, self.actions.options
        if not options.enabled:
            return _("Switched off: every question goes on to the model")
        if len(catalogue) == 0:
            return _("Answers word for word, before any model is asked")
        return _.plural(
            "{n} question is answered word for word, without a model",
            "{n} questions are answered word for word, without a model",
            catalogue.enabled_count,
        )

    def _header_actions(self) -> None:
        transfer = TransferSheet(self.actions, may_write=self.may_write)
        c.button(_("Import and export"), transfer.open, icon="import_export", classes="only-desk")
        c.icon_button("import_export", _("Import and export"), transfer.open, classes="only-phone")
        if self.may_write:
            c.button(_("Add a question"), self.listing.add, kind="filled", icon="add")

    async def _reloaded(self) -> None:
        self._show_facts()
        await self.listing.refresh_if_idle()
        await self.trial.run()

    def _show_facts(self) -> None:
        if isinstance(self._fact, ui.label):
            self._fact.set_text(self._facts())

    def _options(self) -> None:
        if not self.may_write:
            return
        with c.card(_("How answers are found")):
            c.settings_form(FaqOptions, self.actions.options, self._save_options, translate=_)

    async def _save_options(self, options: FaqOptions) -> None:
        await self.actions.save_options(options)
        self._show_facts()
        await self.trial.run()
