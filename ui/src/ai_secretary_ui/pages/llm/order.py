"""The order in which models are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit import AuditEvent
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.dialogue.routing import CandidateStatus
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting, names
from ai_secretary_ui.components.base import MenuItem

if TYPE_CHECKING:
    from ai_secretary_ui.pages.llm.page import LlmPage

_ = Translator("ui")

STATES: dict[str, tuple[str, str, str]] = {
    "ready": ("ok", "check_circle", N_("Ready")),
    "idle": ("ok", "check_circle", N_("Ready, loads when asked")),
    "loading": ("warn", "schedule", N_("Loading")),
    "unavailable": ("err", "cloud_off", N_("Not available")),
    "resting": ("warn", "pause_circle", N_("Resting after a failure")),
    "missing": ("off", "key_off", N_("Not here any more")),
}


class OrderCard:
    """Rows that can be moved; what happens between them in words."""

    def __init__(self, page: LlmPage) -> None:
        self._page = page
        self._body: Element
        self._dragged = -1

    @property
    def preferences(self) -> DialoguePreferences:
        return self._page.view.application.preferences.get(SUBJECT, DialoguePreferences)

    def draw(self) -> None:
        with c.card(
            _("Order of answer"), hint=_("drag to change") if self._page.may_write else "", pad=False, actions=self._add_button
        ) as self._body:
            self._rows()

    def redraw(self) -> None:
        if self._body.is_deleted:
            return
        self._body.clear()
        with self._body:
            self._rows()

    def _add_button(self) -> None:
        if not self._page.may_write:
            return
        with c.button(_("Model"), icon="add", small=True), ui.menu().props('anchor="bottom right" self="top right" auto-close'):
            taken = {status.id for status in self._page.statuses()} if self._chosen() else set()
            left = [model for model in self._page.view.application.registries.models() if model.id not in taken]
            c.menu_items(
                [
                    MenuItem(
                        f"{model.title} · {names.provider_title(model)}",
                        self._adder(model.id),
                        "school" if model.demo else "memory" if model.local else "cloud",
                    )
                    for model in left
                ]
                or [MenuItem(_("Every model is in the order already"), disabled=True)]
            )

    def _chosen(self) -> list[str]:
        """The order that an administrator has set; empty while it is automatic."""
        value = self.preferences
        return [name for name in (value.model, *value.fallbacks) if name]

    def _rows(self) -> None:
        statuses = self._page.statuses()
        if not statuses:
            c.empty(
                _("No model yet"),
                _("The first one that you connect takes this place by itself."),
                lambda: c.button(_("Choose a model"), href=self._page.address_of("llm_local"), kind="filled"),
            )
            return
        timeout = formatting.number(self.preferences.first_token_timeout_s)
        for index, status in enumerate(statuses):
            self._row(index, status, len(statuses))
            if index + 1 < len(statuses):
                with c.el("m-fall"):
                    c.icon("arrow_downward", size=15)
                    ui.label(
                        _("fails, or keeps silent longer than {n} s → the next one is asked", n=timeout)
                        if status.state not in {"missing", "unavailable"}
                        else _("cannot answer → the next one is asked")
                    )
        with c.el("m-foot"):
            c.icon("support_agent", "as-faint")
            if self._chosen():
                c.text(
                    _("If nobody answers, the person is told so plainly. A failure is never passed off as an answer."),
                    "as-13 as-muted",
                )
            else:
                c.text(
                    _("Chosen by itself: real models before the demo model. Move one, and the order is yours."), "as-13 as-muted"
                )

    def _row(self, index: int, status: CandidateStatus, count: int) -> None:
        line = c.el("m-prov")
        with line:
            with c.el("as-faint hd m-grip", "span"):
                c.icon("drag_indicator")
            c.text(str(index + 1), "m-no on" if status.answering else "m-no", "span")
            with c.el("as-src hd", "span"):
                c.icon("school" if status.demo else "cloud" if not self._local(status.id) else "memory")
            with c.el("as-rowtext"):
                c.text(status.title, "as-b as-ell")
                c.text(self._about(status), "as-12 as-faint as-ell")
            kind, icon_name, word = STATES.get(status.state, ("off", "help", status.state))
            if status.answering and kind == "ok":
                word = N_("Answers")
            with c.stat(kind, _(word), icon_name) as mark:  # type: ignore[arg-type]  # one of the five kinds
                if status.reason or status.last_error:
                    ui.tooltip(self._reason(status))
            mark.classes("m-state")
            self._menu(index, status, count)
        if self._page.may_write:
            line.props("draggable=true")
            line.on("dragstart", lambda _event, at=index: self._drag(at))
            line.on("dragover.prevent", js_handler="() => {}")
            line.on("drop.prevent", lambda _event, at=index: self._drop(at))

    def _local(self, model_id: str) -> bool:
        return any(model.id == model_id and model.local for model in self._page.view.application.registries.models())

    def _about(self, status: CandidateStatus) -> str:
        if status.state in {"unavailable", "resting"} and (status.reason or status.last_error):
            return self._reason(status)
        parts = [
            names.by_owner(names.model_owner(status.id), status.provider_title),
            _("demo model") if status.demo else "",
            status.id,
        ]
        return " · ".join(part for part in parts if part)

    def _reason(self, status: CandidateStatus) -> str:
        return names.by_owner(names.model_owner(status.id), status.reason or status.last_error)

    def _menu(self, index: int, status: CandidateStatus, count: int) -> None:
        if not self._page.may_write:
            c.el("as-icon as-sm hd", "span")
            return
        items: list[MenuItem | None] = []
        if index > 0:
            items.append(MenuItem(_("Ask first"), self._mover(index, 0), "vertical_align_top"))
            items.append(MenuItem(_("Move up"), self._mover(index, index - 1), "arrow_upward"))
        if index + 1 < count:
            items.append(MenuItem(_("Move down"), self._mover(index, index + 1), "arrow_downward"))
        if status.failures:
            items.append(MenuItem(_("Check again"), lambda: self._forgive(status.id), "refresh"))
        if count > 1:
            items += [None, MenuItem(_("Take out of the order"), lambda: self._remove(status.id), "remove_circle", danger=True)]
        if self._chosen():
            items += [None, MenuItem(_("Choose by itself again"), lambda: self._save([]), "auto_mode")]
        c.menu(items, label=_("Actions for {name}", name=status.title))

    # ---- changes ----

    def _mover(self, at: int, to: int) -> c.Click:
        async def move() -> None:
            order = [status.id for status in self._page.statuses()]
            order.insert(to, order.pop(at))
            await self._save(order)

        return move

    def _adder(self, model_id: str) -> c.Click:
        async def add() -> None:
            order = [status.id for status in self._page.statuses() if status.id != model_id]
            await self._save([*order, model_id] if self._chosen() else [model_id, *order])

        return add

    async def _remove(self, model_id: str) -> None:
        await self._save([status.id for status in self._page.statuses() if status.id != model_id])

    def _forgive(self, model_id: str) -> None:
        self._page.view.application.router.forgive(model_id)
        self._page.refresh()

    def _drag(self, at: int) -> None:
        self._dragged = at

    async def _drop(self, at: int) -> None:
        if self._dragged < 0 or self._dragged == at:
            return
        order = [status.id for status in self._page.statuses()]
        order.insert(at, order.pop(self._dragged))
        self._dragged = -1
        await self._save(order)

    async def _save(self, order: list[str], *, tell: bool = True) -> None:
        application = self._page.view.application
        before = self._chosen()
        value = self.preferences.model_copy(update={"model": order[0] if order else None, "fallbacks": tuple(order[1:])})
        await application.preferences.set(SUBJECT, value)
        application.audit.record(AuditEvent("llm.order", "preferences", SUBJECT, {"order": order}))
        self._page.refresh()
        if tell:
            c.toast(_("Order changed. The next question already follows it."), undo=lambda: self._save(before, tell=False))
