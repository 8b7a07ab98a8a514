"""One provider of the list: what it is, how it does, what can be done with it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from nicegui import ui

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary_llm_cloud.records import Provider
from ai_secretary_llm_cloud.wording import trial_hint, trial_message
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_llm_cloud.panel.page import ProvidersSection
    from ai_secretary_llm_cloud.trial import Trial

_ = Translator("llm_cloud")

_WRAPPING = "max-md:flex-wrap max-md:[&>.as-rowtext]:basis-3/5 max-md:[&>.as-rowtext]:grow"
"""On a phone the right side goes to a line of its own."""


class ProviderRow:
    def __init__(self, section: ProvidersSection, provider: Provider, place: int, count: int) -> None:
        self._section = section
        self._provider = provider
        self._place = place
        self._count = count

    def draw(self) -> None:
        provider, draft = self._provider, self._provider.draft
        facts = [self._section.type_title(draft.type), provider.model_id, price(provider)]
        icon = "hub" if draft.type == "custom" else "cloud"
        with c.el():
            with c.row(draft.name, " · ".join(fact for fact in facts if fact), icon_name=icon) as line:
                c.el("as-sp")
                with c.el("as-rowright max-md:w-full max-md:justify-end max-md:flex-wrap"):
                    self._state()
                    self._actions()
            line.classes(_WRAPPING)
            trial = self._section.trials.get(provider.id)
            if provider.id in self._section.testing:
                with c.el().style("padding:0 16px 12px"):
                    c.text(_("Asking {model} for one word…", model=draft.model), "as-13 as-muted")
            elif trial is not None:
                with c.el().style("padding:0 16px 12px"):
                    trial_note(trial)

    def _state(self) -> None:
        section, provider = self._section, self._provider
        if section.providers.type(provider.draft.type) is None:
            c.stat("err", _("Its plugin is switched off"))
            return
        if not provider.draft.enabled:
            c.stat("off", _("Switched off"))
            return
        if section.providers.is_default(provider):
            c.badge("brass", _("Answers first"), "star")
        statuses = section.view.application.router.model_status()
        status = next((status for status in statuses if status.id == provider.model_id), None)
        if status is None:
            c.stat("off", _("Not in the order of answer"))
        elif status.failures or ((trial := section.trials.get(provider.id)) is not None and not trial.ok):
            with c.stat("warn", _("Did not answer")):
                if status.last_error:
                    ui.tooltip(status.last_error)
        else:
            c.stat("ok", _("Ready"))

    def _actions(self) -> None:
        section, provider = self._section, self._provider
        if not section.may_write:
            return
        c.button(_("Test"), self._test, small=True, icon="play_arrow")
        enabled = provider.draft.enabled
        default = section.providers.is_default(provider)
        items: list[c.MenuItem | None] = [
            c.MenuItem(_("Edit"), lambda: section.edit(provider), "edit"),
            c.MenuItem(_("Let it answer first"), self._make_default, "star", disabled=not enabled or default),
            c.MenuItem(_("Move up"), lambda: self._move(-1), "arrow_upward", disabled=self._place == 0),
            c.MenuItem(_("Move down"), lambda: self._move(1), "arrow_downward", disabled=self._place == self._count - 1),
            c.MenuItem(
                _("Switch off") if enabled else _("Switch on"),
                self._switch,
                "power_settings_new",
            ),
            None,
            c.MenuItem(_("Delete provider"), self._delete, "delete", danger=True),
        ]
        c.menu(items, label=_("Actions for {name}", name=provider.draft.name), small=False)

    async def _test(self) -> None:
        section, provider = self._section, self._provider
        section.testing.add(provider.id)
        section.redraw()
        try:
            section.trials[provider.id] = await section.providers.test(provider.id)
        except SecretaryError as error:
            with section.anchor:
                c.error_toast(error, _)
        finally:
            section.testing.discard(provider.id)
            section.redraw()

    async def _act(self, doing: Awaitable[object], done: str = "") -> None:
        with self._section.anchor:
            try:
                await doing
            except SecretaryError as error:
                c.error_toast(error, _)
            else:
                if done:
                    c.toast(done)
        self._section.redraw()

    async def _make_default(self) -> None:
        name = self._provider.draft.name
        await self._act(
            self._section.providers.set_default(self._provider.id),
            _("{name} answers first now, in every channel.", name=name),
        )

    async def _move(self, step: int) -> None:
        ids = [provider.id for provider in self._section.providers.all()]
        here = ids.index(self._provider.id)
        ids[here], ids[here + step] = ids[here + step], ids[here]
        await self._act(self._section.providers.reorder(ids))

    async def _switch(self) -> None:
        enabled = not self._provider.draft.enabled
        await self._act(self._section.providers.update(self._provider.id, {"enabled": enabled}))

    async def _delete(self) -> None:
        draft = self._provider.draft
        with self._section.anchor:
            sure = await c.confirm(
                _("Delete “{name}”?", name=draft.name),
                _("Its key is deleted with it. Conversations stay; the next model in the order answers."),
                _("Delete provider"),
                True,
            )
        if sure:
            await self._act(self._section.providers.delete(self._provider.id))


def trial_note(trial: Trial) -> None:
    """The result of a test in words, with times."""
    if trial.ok:
        with c.el("as-inline"):
            c.stat("ok", trial_message(trial))
            times = [formatting.milliseconds(trial.total_ms)]
            if trial.first_token_ms is not None:
                times.insert(0, _("first word after {time}", time=formatting.milliseconds(trial.first_token_ms)))
            if trial.models_listed is not None:
                times.append(_.plural("{n} model for this key", "{n} models for this key", trial.models_listed))
            c.text(" · ".join(times), "as-12 as-faint as-num")
    else:
        c.note("err", trial_hint(trial), title=trial_message(trial))


def price(provider: Provider) -> str:
    draft = provider.draft
    if draft.price_prompt is None and draft.price_completion is None:
        return ""
    return _(
        "{prompt} / {completion} per million tokens",
        prompt=formatting.dollars(draft.price_prompt or 0),
        completion=formatting.dollars(draft.price_completion or 0),
    )
