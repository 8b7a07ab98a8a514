"""The list: search, filter, pages, a switch per row, adding and editing in place, deleting with a way back."""

from __future__ import annotations

from functools import partial

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import N_, Translator
from ai_secretary_faq.actions import FaqActions
from ai_secretary_faq.drafts import check
from ai_secretary_faq.entries import Entry
from ai_secretary_faq.panel.editor import Editor
from ai_secretary_faq.repository import Sort
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c
from ai_secretary_ui.components.status import Kind

_ = Translator("faq")

PAGE_SIZE = 25
STARTERS = (
    (
        N_("What are your working hours?"),
        N_("We are open on weekdays from nine to six."),
        (N_("working hours"), N_("opening hours")),
    ),
    (
        N_("Where are you located?"),
        N_("Our address is 1 Example Street, next to the metro."),
        (N_("address"), N_("how to get there")),
    ),
    (N_("What day is it today?"), N_("Today is {day_of_week}, {current_date}, it is {current_time} now."), ()),
)
"""Three entries to begin with; the first two are to be rewritten, the third shows the placeholders."""


class Listing:
    """The card with the entries."""

    def __init__(self, view: PageView, actions: FaqActions, *, may_write: bool) -> None:
        self.view = view
        self.actions = actions
        self.may_write = may_write
        self.search = ""
        self.show = "all"
        self.sort: Sort = "newest"
        self.page = 0
        self.editing: str | None = None
        """Id of the entry that is open, "" for a new one, None: nothing is open."""
        self._asked = 0
        self._body: Element
        self._foot: Element
        self._new: Element
        self._box: ui.input

    def draw(self) -> None:
        with c.card(pad=False):
            with c.el("as-row").style("flex-wrap:wrap"):
                self._box = c.search_box(_("Search questions and answers"), self._searched)
                self._box.style("flex:1 1 220px;min-width:0")
                c.tabs({"all": _("All"), "on": _("On"), "off": _("Off")}, self.show, self._shown)
                self._order = ui.select(
                    {"newest": _("Newest first"), "hits": _("Most asked first"), "question": _("By alphabet")},
                    value=self.sort,
                    on_change=lambda event: self._sorted(event.value),
                ).props(f'outlined dense options-dense aria-label="{_("Order")}"')
                self._order.style("flex:0 1 190px")
            self._new = c.el()
            self._body = c.el("as-divide as-ruled")
            self._foot = c.el()
            with self._body:
                c.skeleton_rows(4, tile_icon=False)
        ui.timer(0, self.refresh, once=True)

    # ---- what is shown ----

    async def _searched(self, value: str | None) -> None:
        self.search = value or ""
        await self.refresh(first_page=True)

    async def _shown(self, value: str) -> None:
        self.show = value
        await self.refresh(first_page=True)

    async def _sorted(self, value: Sort) -> None:
        self.sort = value
        await self.refresh(first_page=True)

    async def _go(self, page: int) -> None:
        self.page = page
        await self.refresh()

    async def refresh_if_idle(self) -> None:
        """Draw anew unless somebody is typing into an entry."""
        if self.editing is None:
            await self.refresh()

    async def refresh(self, *, first_page: bool = False) -> None:
        if first_page:
            self.page = 0
        self._asked += 1
        asked = self._asked
        enabled = {"on": True, "off": False}.get(self.show)
        entries, total = await self.actions.page(
            search=self.search, enabled=enabled, sort=self.sort, limit=PAGE_SIZE, offset=self.page * PAGE_SIZE
        )
        if asked != self._asked or self._body.is_deleted:
            return
        if not entries and total and self.page:
            self.page = (total - 1) // PAGE_SIZE
            await self.refresh()
            return
        self.editing = self.editing if self.editing == "" else None
        self._body.clear()
        self._foot.clear()
        with self._body:
            if not entries:
                self._nothing()
            for entry in entries:
                self._row(entry)
        with self._foot:
            c.pager(total, PAGE_SIZE, self.page, self._go)

    def _nothing(self) -> None:
        if self.search or self.show != "all":
            c.empty(
                _("No such questions"),
                _("Nothing fits the search and the filter."),
                lambda: c.button(_("Clear the filter"), self._clear_filter),
                picture="none",
            )
            return
        c.empty(
            _("The FAQ is empty"),
            _("What people ask most often is answered at once, for free and always in the same words. Begin with these three:"),
        )
        for question, answer, keywords in STARTERS:
            with c.row(_(question), _(answer), icon_name="quiz"):
                c.el("as-sp")
                if self.may_write:
                    c.button(_("Add"), partial(self._start_with, [(question, answer, keywords)]), small=True)
        if self.may_write:
            with c.el("as-row").style("justify-content:center"):
                c.button(_("Add all three"), lambda: self._start_with(list(STARTERS)), kind="soft", icon="add")

    async def _clear_filter(self) -> None:
        self.search, self.show = "", "all"
        self._box.set_value("")
        await self.refresh(first_page=True)

    def _row(self, entry: Entry) -> None:
        with c.el("as-faqrow") as place:
            self._draw_row(place, entry)

    def _draw_row(self, place: Element, entry: Entry) -> None:
        place.clear()
        with place, c.el("as-row").style("align-items:flex-start"):
            text = c.el("as-rowtext")
            text.style("flex:1;min-width:0" + ("" if entry.enabled else ";opacity:.6"))
            if self.may_write:
                text.props(f'role=button tabindex=0 aria-label="{_("Edit the question")}"').style("cursor:pointer")
                text.on("click", lambda: self._edit(place, entry))
                text.on("keydown.enter", lambda: self._edit(place, entry))
            with text:
                c.text(entry.question, "as-b").style("overflow-wrap:anywhere")
                c.text(entry.answer, "as-13 as-muted as-clip2").style("overflow-wrap:anywhere")
                with c.el("as-badges").style("margin-top:4px;flex-wrap:wrap;align-items:center"):
                    marks: list[tuple[Kind, str, str]] = []
                    if entry.language:
                        marks.append(("line", entry.language, "language"))
                    marks += [("", keyword, "label") for keyword in entry.keywords]
                    c.badges(marks)
                    c.text(self._hits(entry), "as-12 as-faint as-num")
            with c.el("as-rowright"):
                switch = ui.switch(value=entry.enabled).props(f'aria-label="{_("Answer this question")}"')
                if self.may_write:
                    switch.on_value_change(lambda event: self._switch(entry, event.value))
                    c.menu(
                        [
                            c.MenuItem(_("Edit"), lambda: self._edit(place, entry), "edit"),
                            None,
                            c.MenuItem(_("Delete"), lambda: self._delete(entry), "delete", danger=True),
                        ],
                        label=_("Actions for this question"),
                    )
                else:
                    switch.props("disable")

    @staticmethod
    def _hits(entry: Entry) -> str:
        if entry.hit_count == 0 or entry.last_hit_at is None:
            return _("Never asked yet")
        times = _.plural("asked {n} time", "asked {n} times", entry.hit_count)
        return f"{times} · {formatting.when(entry.last_hit_at)}"

    # ---- what is done ----

    def add(self) -> None:
        """Open an empty form at the top of the list."""
        if self.editing == "":
            return
        self.editing = ""
        self._new.clear()
        with self._new:
            Editor(None, self._create, self._close_new).draw()

    def _close_new(self) -> None:
        self.editing = None
        self._new.clear()

    def _edit(self, place: Element, entry: Entry) -> None:
        self.editing = entry.id

        def close() -> None:
            self.editing = None
            self._draw_row(place, entry)

        async def save(question: str, answer: str, keywords: list[str], language: str | None) -> None:
            changes = {"question": question, "answer": answer, "keywords": keywords, "language": language}
            changed = await self.actions.update(entry.id, changes)
            self.editing = None
            self._draw_row(place, changed)
            c.toast(_("Saved. The new answer is already in use"))

        place.clear()
        with place:
            Editor(entry, save, close).draw()

    async def _create(self, question: str, answer: str, keywords: list[str], language: str | None) -> None:
        await self.actions.create(check(question, answer, keywords, language))
        self._close_new()
        c.toast(_("Added. The secretary already answers this question"))
        await self.refresh(first_page=True)

    async def _start_with(self, items: list[tuple[str, str, tuple[str, ...]]]) -> None:
        try:
            for question, answer, keywords in items:
                await self.actions.create(check(_(question), _(answer), [_(keyword) for keyword in keywords], self.view.language))
        except SecretaryError as error:
            c.error_toast(error, _)
        await self.refresh(first_page=True)

    async def _switch(self, entry: Entry, enabled: bool) -> None:
        try:
            await self.actions.update(entry.id, {"enabled": enabled})
        except SecretaryError as error:
            c.error_toast(error, _)
        await self.refresh_if_idle()

    async def _delete(self, entry: Entry) -> None:
        try:
            deleted = await self.actions.delete(entry.id)
        except SecretaryError as error:
            c.error_toast(error, _)
            return

        async def undo() -> None:
            try:
                await self.actions.restore(deleted)
            except SecretaryError as error:
                c.error_toast(error, _)
            await self.refresh()

        c.toast(_("Deleted: “{question}”", question=_short(deleted.question)), undo=undo)
        await self.refresh()


def _short(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
