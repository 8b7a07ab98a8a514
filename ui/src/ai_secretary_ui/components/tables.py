"""Lists that are paged on the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from nicegui import ui
from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_ui import formatting
from ai_secretary_ui.components.base import Draw, el, icon, icon_button, text
from ai_secretary_ui.components.status import empty, skeleton_rows

_ = Translator("ui")

R = TypeVar("R")


@dataclass(slots=True, frozen=True)
class Column(Generic[R]):
    """One column. `cell` gives the text of a row, or draws (and returns None)."""

    title: str
    cell: Callable[[R], str | None]
    align: Literal["left", "right"] = "left"
    sort: str = ""
    """Key given to `load` when the reader sorts by this column; empty: not sortable."""
    mono: bool = False
    wide: bool = False
    """Takes the room that the others leave."""
    phone: bool = True
    """False: left out on a phone."""


@dataclass(slots=True, frozen=True)
class TableQuery:
    """What the reader wants to see."""

    offset: int
    limit: int
    sort: str = ""
    descending: bool = False


@dataclass(slots=True, frozen=True)
class TablePage(Generic[R]):
    """Rows of one page and how many there are in all."""

    rows: Sequence[R]
    total: int


class DataTable(Generic[R]):
    """A table that asks the server for one page at a time; see `data_table`."""

    def __init__(
        self,
        columns: Sequence[Column[R]],
        load: Callable[[TableQuery], Awaitable[TablePage[R]]],
        page_size: int,
        on_row: Callable[[R], object] | None,
        when_empty: Draw | None,
        actions: Callable[[R], object] | None,
        sort: str,
        descending: bool,
    ) -> None:
        self._columns = columns
        self._load = load
        self._page_size = page_size
        self._on_row = on_row
        self._when_empty = when_empty
        self._actions = actions
        self._sort = sort
        self._descending = descending
        self._page = 0
        self._version = 0
        self.total = 0
        self.rows: Sequence[R] = ()
        with el("as-tablebox") as self.element:
            self._body = el()
            self._foot = el()
        with self._body:
            skeleton_rows(4, tile_icon=False)
        ui.timer(0, self.refresh, once=True)

    async def refresh(self, *, first_page: bool = False) -> None:
        """Load again, for instance after a filter changed (`first_page=True`)."""
        if first_page:
            self._page = 0
        self._version += 1
        version = self._version
        query = TableQuery(self._page * self._page_size, self._page_size, self._sort, self._descending)
        found = await self._load(query)
        if version != self._version or self.element.is_deleted:
            return  # a newer question was asked meanwhile
        if not found.rows and found.total and self._page:
            self._page = (found.total - 1) // self._page_size
            await self.refresh()
            return
        self.total, self.rows = found.total, found.rows
        self._draw(found)

    def _draw(self, found: TablePage[R]) -> None:
        self._body.clear()
        self._foot.clear()
        with self._body:
            if not found.rows:
                if self._when_empty is not None:
                    self._when_empty()
                else:
                    empty(_("Nothing here yet"), picture="none")
                return
            with el("as-table", "table"):
                with el(tag="thead"), el(tag="tr"):
                    for column in self._columns:
                        self._head(column)
                    if self._actions is not None:
                        el("as-tableact", "th")
                with el(tag="tbody"):
                    for item in found.rows:
                        self._row(item)
        with self._foot:
            pager(found.total, self._page_size, self._page, self._go)

    def _head(self, column: Column[R]) -> None:
        classes = ("r " if column.align == "right" else "") + ("as-w" if column.wide else "")
        with el(classes.strip(), "th", scope="col") as head:
            if not column.sort:
                ui.label(column.title).classes("as-inline")
                return
            chosen = column.sort == self._sort
            if chosen:
                head.props["aria-sort"] = "descending" if self._descending else "ascending"
            with el("as-sort" + (" on" if chosen else ""), "button", type="button") as knob:
                ui.label(column.title).classes("as-inline")
                icon("arrow_downward" if chosen and self._descending else "arrow_upward" if chosen else "unfold_more", size=14)

            async def resort() -> None:
                self._descending = not self._descending if self._sort == column.sort else False
                self._sort = column.sort
                await self.refresh(first_page=True)

            knob.on("click", resort)

    def _row(self, item: R) -> None:
        with el("as-clickrow" if self._on_row else "", "tr") as line:
            for index, column in enumerate(self._columns):
                classes = ("r " if column.align == "right" else "") + ("as-mono " if column.mono else "")
                classes += ("as-w " if column.wide else "") + ("" if column.phone else "as-nophone")
                with el(classes.strip(), "td", data_label=column.title) as cell:
                    if index == 0 and self._on_row is not None:
                        with el("as-celllink", "button", type="button") as opener:
                            shown = column.cell(item)
                            if shown is not None:
                                ui.label(shown).classes("as-inline")
                        opener.on("click.stop", lambda _event, chosen=item: self._open(chosen))
                        continue
                    shown = column.cell(item)
                    if shown is not None:
                        with cell:
                            ui.label(shown).classes("as-inline")
            if self._actions is not None:
                with el("as-tableact", "td") as cell:
                    self._actions(item)
                cell.on("click.stop", js_handler="() => {}")
        if self._on_row is not None:
            line.on("click", lambda _event, chosen=item: self._open(chosen))

    def _open(self, item: R) -> object:
        return self._on_row(item) if self._on_row is not None else None

    async def _go(self, page: int) -> None:
        self._page = page
        await self.refresh()


def data_table(
    columns: Sequence[Column[R]],
    load: Callable[[TableQuery], Awaitable[TablePage[R]]],
    *,
    page_size: int = 50,
    on_row: Callable[[R], object] | None = None,
    when_empty: Draw | None = None,
    actions: Callable[[R], object] | None = None,
    sort: str = "",
    descending: bool = False,
) -> DataTable[R]:
    """A server-paged table for the inside of a card (`card(pad=False)`); on a phone it becomes rows.

    `data_table([Column(_("Question"), lambda e: e.question, wide=True)], load, on_row=edit, actions=lambda e: menu(…))`, where
    `async def load(query: TableQuery) -> TablePage[Entry]`. The first column names the object and opens it. Call
    `await table.refresh(first_page=True)` after a filter changed.
    """
    return DataTable(columns, load, page_size, on_row, when_empty, actions, sort, descending)


def pager(total: int, page_size: int, page: int, on_page: Callable[[int], object]) -> Element | None:
    """ "1–50 of 312" with arrows; nothing when everything fits on one page. `page` counts from 0."""
    if total <= page_size:
        return None
    first, last = page * page_size + 1, min((page + 1) * page_size, total)
    with el("as-pager", "nav", aria_label=_("Pages")) as bar:
        text(
            _(
                "{first}–{last} of {total}",
                first=formatting.number(first),
                last=formatting.number(last),
                total=formatting.number(total),
            ),
            "as-12 as-faint as-num",
        )
        el("as-sp")
        back = icon_button("chevron_left", _("Previous page"), lambda: on_page(page - 1), small=True)
        forth = icon_button("chevron_right", _("Next page"), lambda: on_page(page + 1), small=True)
        if page == 0:
            back.props["disabled"] = True
        if last >= total:
            forth.props["disabled"] = True
    return bar
