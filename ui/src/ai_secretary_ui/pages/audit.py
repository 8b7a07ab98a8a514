"""Audit: who did what, when and from where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit.models import AuditRow
from ai_secretary.audit.repository import AuditFilter
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import PageView, formatting
from ai_secretary_ui import components as c

_ = Translator("ui")

PAGE = 50
SPANS = {"day": 1, "week": 7, "month": 30, "all": 0}
ACTIONS: dict[str, str] = {
    "auth.login": N_("logged in"),
    "auth.login_failed": N_("failed to log in"),
    "auth.logout": N_("logged out"),
    "auth.session_revoke": N_("ended a session"),
    "auth.password_change": N_("changed the password"),
    "user.create": N_("made a user"),
    "user.update": N_("changed a user"),
    "user.delete": N_("deleted a user"),
    "user.reset_password": N_("gave a new password"),
    "key.create": N_("made an access key"),
    "key.update": N_("changed an access key"),
    "key.rotate": N_("replaced an access key"),
    "key.delete": N_("deleted an access key"),
    "plugin.enable": N_("turned a plugin on"),
    "plugin.disable": N_("turned a plugin off"),
    "plugin.retry": N_("started a plugin again"),
    "plugin.options": N_("changed a plugin's settings"),
    "voice.preferences": N_("changed how the secretary speaks"),
    "llm.order": N_("changed the order of answer"),
    "llm.parameters": N_("changed parameters"),
    "llm.preferences": N_("changed names and waiting times"),
    "llm.persona.create": N_("made a persona"),
    "llm.persona.update": N_("changed a persona"),
    "llm.persona.activate": N_("made a persona the default"),
    "llm.persona.reset": N_("reset a persona"),
    "llm.persona.delete": N_("deleted a persona"),
    "chat.delete": N_("deleted a conversation"),
    "chat.bulk_delete": N_("deleted conversations"),
    "audit.cleanup": N_("deleted old audit entries"),
}
ICONS = {
    "auth": "login",
    "user": "person",
    "key": "key",
    "plugin": "extension",
    "llm": "neurology",
    "voice": "record_voice_over",
    "chat": "chat",
    "faq": "quiz",
}


async def build(view: PageView) -> None:
    page = AuditPage(view)
    await page.draw()


class AuditPage:
    """Newest first; more is loaded on demand."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.audit = view.application.audit
        self._area = ""
        self._actor = ""
        self._span = "week"
        self._list: Element
        self._more: Element
        self._next: int | None = None

    async def draw(self) -> None:
        stats = await self.audit.stats()
        fact = _.plural(
            "{n} entry, nothing can be changed afterwards", "{n} entries, nothing can be changed afterwards", stats.total
        )
        c.page_header(_("Audit"), fact, self._actions)
        areas = sorted({name.partition(".")[0] for name, _count in stats.by_action})
        with c.el("as-toolbar"):
            c.tabs({"day": _("Day"), "week": _("Week"), "month": _("Month"), "all": _("All")}, self._span, self._set_span)
            c.select_field(
                "", {"": _("All areas")} | {area: area for area in areas}, "", on_change=self._set_area, classes="u-filter"
            )
            actors = [name for name, _count in stats.by_actor if name]
            c.select_field(
                "", {"": _("Everybody")} | {name: name for name in actors}, "", on_change=self._set_actor, classes="u-filter"
            )
        with c.card(pad=False):
            self._list = c.el("as-divide")
            self._more = c.el("u-more")
        await self._load(first=True)

    def _actions(self) -> None:
        if self.view.can("audit:admin"):
            c.button(_("Check the chain"), self._verify, icon="verified_user")
        c.button(_("Save as CSV"), self._export, icon="download")

    def _wanted(self) -> AuditFilter:
        days = SPANS[self._span]
        return AuditFilter(
            action=f"{self._area}." if self._area else "",
            actor=self._actor,
            since=datetime.now(UTC) - timedelta(days=days) if days else None,
        )

    async def _set_span(self, span: str) -> None:
        self._span = span
        await self._load(first=True)

    async def _set_area(self, area: str) -> None:
        self._area = area or ""
        await self._load(first=True)

    async def _set_actor(self, actor: str) -> None:
        self._actor = actor or ""
        await self._load(first=True)

    async def _load(self, *, first: bool) -> None:
        page = await self.audit.query(self._wanted(), before=None if first else self._next, limit=PAGE)
        self._next = page.next
        if first:
            self._list.clear()
        self._more.clear()
        with self._list:
            if first and not page.rows:
                c.empty(_("Nothing in this time"), _("Nobody has changed anything that fits the filter."), picture="none")
            for row in page.rows:
                self._row(row)
        if self._next is not None:
            with self._more:
                c.button(_("Show earlier"), lambda: self._load(first=False), kind="quiet")

    def _row(self, row: AuditRow) -> None:
        area = row.action.partition(".")[0]
        with c.el("as-details u-audit", "details"):
            with c.el("as-row", "summary"):
                with c.el("as-src", "span"):
                    c.icon(ICONS.get(area, "history"))
                with c.el("as-rowtext"):
                    who = row.actor_name or row.actor_kind or _("somebody")
                    c.text(f"{who} — {self._what(row.action)}", "as-b5 as-clip2")
                    parts = [row.resource_id if row.resource_id != row.resource else "", row.address]
                    c.text(" · ".join(part for part in parts if part), "as-12 as-faint as-ell")
                c.el("as-sp")
                if row.action.endswith("failed"):
                    c.badge("warn", _("refused"), "warning")
                c.text(formatting.moment(row.at), "as-12 as-faint as-num u-when")
            with c.el("as-detailsbody u-auditbody"):
                c.key_value(
                    [
                        (_("Action"), row.action),
                        (_("On what"), f"{row.resource} {row.resource_id}".strip()),
                        (_("Request"), row.request_id or "—"),
                        (_("Hash"), row.hash[:16] + "…"),
                    ]
                )
                details = json.loads(row.details)
                if details:
                    c.code(json.dumps(details, ensure_ascii=False, indent=1))

    def _what(self, action: str) -> str:
        known = ACTIONS.get(action)
        return _(known) if known else action

    async def _verify(self) -> None:
        found = await self.audit.verify()
        if found.intact:
            c.toast(_.plural("{n} entry checked: nothing was changed", "{n} entries checked: nothing was changed", found.rows))
        else:
            c.toast(
                _.plural("The chain is broken in {n} place", "The chain is broken in {n} places", len(found.breaks)), "negative"
            )

    async def _export(self) -> None:
        pieces = [piece async for piece in self.audit.export("csv", self._wanted())]
        ui.download(b"".join(pieces), "audit.csv", "text/csv")
