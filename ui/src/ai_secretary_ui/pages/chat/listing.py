"""The list of conversations: by source, searched, selected in bulk."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit import AuditEvent
from ai_secretary.conversations.records import Conversation, Group
from ai_secretary.i18n import Translator
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting, names

if TYPE_CHECKING:
    from ai_secretary_ui.pages.chat.page import ChatPage

_ = Translator("ui")

PER_GROUP = 20
STEP = 40
_MARKUP = re.compile(r"[*_`#>~]+")
"""Signs of Markdown, which a line of preview does not need."""
ORDER = ("admin", "test", "widget", "telegram", "phone", "api")


class Listing:
    """At the left of the screen; on a phone it is the first of two screens."""

    def __init__(self, page: ChatPage) -> None:
        self._page = page
        self._search = ""
        self._more: dict[str, int] = {}
        self._selecting = False
        self._selected: set[str] = set()
        self._rows: dict[str, Element] = {}
        self._marked = ""
        self._body: Element
        self._foot: Element

    def draw(self) -> None:
        with c.el("c-list", "aside", aria_label=_("Conversations")):
            with c.el("c-listhead"):
                c.search_box(_("Search"), self._searched, classes="c-search")
                c.icon_button("add_comment", _("New conversation"), self._page.start_new, classes="bd acc")
                c.icon_button("checklist", _("Select several"), self._toggle_selecting, classes="bd")
            self._body = c.el("c-listbody")
            with self._body:
                c.skeleton_rows(5, tile_icon=False)
            self._foot = c.el("c-listfoot")
            self._foot.set_visibility(False)

    async def _searched(self, text: str | None) -> None:
        self._search = (text or "").strip()
        await self.refresh()

    async def refresh(self) -> None:
        conversations = self._page.view.application.conversations
        most = max([PER_GROUP, *self._more.values()])
        search = self._search
        groups = await conversations.grouped(self._page.visible, search=search, per_group=min(most, 200))
        if search != self._search or self._body.is_deleted:
            return
        known = {group.source: index for index, group in enumerate(groups)}
        groups.sort(key=lambda group: (ORDER.index(group.source) if group.source in ORDER else 99, known[group.source]))
        self._draw(groups)

    def _draw(self, groups: list[Group]) -> None:
        self._body.clear()
        self._rows.clear()
        with self._body:
            if not groups:
                if self._search:
                    c.empty(
                        _("No such conversations"),
                        _("Nothing was said that has “{words}”.", words=self._search),
                        picture="none",
                    )
                else:
                    c.empty(
                        _("No conversations yet"),
                        _("Write below as a visitor would. Calls, bots and the site will appear here too."),
                    )
                return
            for group in groups:
                self._group(group)

    def _group(self, group: Group) -> None:
        with c.el("c-grp"):
            c.icon(names.source_icon(group.source))
            c.text(names.source_name(group.source), "as-inline", "span")
            c.el("as-sp", "span")
            ui.label(formatting.number(group.count)).classes("as-faint as-num c-count")
        limit = self._more.get(group.source, PER_GROUP)
        for conversation in group.items[:limit]:
            self._row(conversation)
        if group.count > limit and limit < 200:

            async def more() -> None:
                self._more[group.source] = min(limit + STEP, 200)
                await self.refresh()

            c.button(_("Show more"), more, kind="quiet", small=True, classes="c-more")

    def _row(self, conversation: Conversation) -> None:
        selected = conversation.id in self._selected
        classes = "c-it" + (" on" if conversation.id == self._marked else "") + (" sel" if selected else "")
        row = c.el(classes, "a", href=f"/ui/chat?id={conversation.id}")
        self._rows[conversation.id] = row
        with row:
            if self._selecting:
                c.icon("check_box" if selected else "check_box_outline_blank", "c-check")
            title = conversation.title or conversation.person_name or _("Conversation")
            c.text(title, "n as-ell")
            c.text(formatting.when(conversation.updated_at), "t")
            c.text(_MARKUP.sub("", conversation.last_message) or _("no messages yet"), "p as-ell")
        if conversation.id == self._marked:
            row.props["aria-current"] = "true"

        async def press() -> None:
            if self._selecting:
                self._selected ^= {conversation.id}
                await self.refresh()
                self._draw_foot()
            else:
                await self._page.open(conversation.id)

        row.on(
            "click", press, js_handler="(e) => { if (e.ctrlKey || e.metaKey || e.shiftKey) return; e.preventDefault(); emit(); }"
        )

    def mark(self, conversation_id: str) -> None:
        """Show which one is open."""
        for key, row in self._rows.items():
            row.classes(add="on" if key == conversation_id else "", remove="" if key == conversation_id else "on")
        self._marked = conversation_id

    async def _toggle_selecting(self) -> None:
        self._selecting = not self._selecting
        self._selected.clear()
        await self.refresh()
        self._draw_foot()

    def _draw_foot(self) -> None:
        self._foot.clear()
        self._foot.set_visibility(self._selecting)
        with self._foot:
            ui.label(_.plural("{n} selected", "{n} selected", len(self._selected))).classes("as-13 as-num")
            c.el("as-sp")
            c.button(_("Cancel"), self._toggle_selecting, kind="quiet", small=True)
            if self._page.may_write:
                c.button(
                    _("Delete"), self._delete_selected, kind="danger-quiet", small=True,
                    disabled="" if self._selected else _("Choose conversations first"),
                )  # fmt: skip

    async def _delete_selected(self) -> None:
        count = len(self._selected)
        if not await c.confirm(
            _.plural("Delete {n} conversation?", "Delete {n} conversations?", count),
            _("All their messages go with them. This cannot be undone."),
            _.plural("Delete {n} conversation", "Delete {n} conversations", count),
            danger=True,
        ):
            return
        application = self._page.view.application
        removed = await application.conversations.bulk_delete(self._page.visible, sorted(self._selected))
        application.audit.record(AuditEvent("chat.bulk_delete", "conversation", "", {"count": len(removed)}))
        await self._toggle_selecting()
        if self._page.conversation is not None and self._page.conversation.id in removed:
            await self._page.start_new(keep_list=True)
        c.toast(_.plural("{n} conversation deleted", "{n} conversations deleted", len(removed)))
