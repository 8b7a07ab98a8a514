"""Audit: who did what, when and from where."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit.models import AuditRow
from ai_secretary.audit.repository import AuditFilter
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import PageView, formatting, names
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
    "tts.preferences": N_("changed how the secretary speaks"),
    "llm.order": N_("changed the order of answer"),
    "llm.parameters": N_("changed parameters"),
    "llm.preferences": N_("changed names and waiting times"),
    "persona.create": N_("made a persona"),
    "persona.update": N_("changed a persona"),
    "persona.activate": N_("made a persona the default"),
    "persona.reset": N_("reset a persona"),
    "persona.delete": N_("deleted a persona"),
    "chat.delete": N_("deleted a conversation"),
    "chat.bulk_delete": N_("deleted conversations"),
    "audit.cleanup": N_("deleted old audit entries"),
    "auth.password_failed": N_("gave a wrong current password"),
    "auth.refresh_reused": N_("used an old session token, the session was ended"),
    "user.logout_everywhere": N_("ended all sessions of a user"),
    "chat.reply": N_("asked in a conversation"),
    "chat.completion": N_("asked through the API"),
    "chat.create": N_("began a conversation"),
    "chat.update": N_("changed a conversation"),
    "chat.activate_branch": N_("went to another branch of a conversation"),
    "chat.export": N_("saved a conversation"),
    "chat.clear": N_("emptied a conversation"),
    "chat.delete_message": N_("deleted a message"),
    "llm.choose_model": N_("chose the answer model"),
    "llm.set_params": N_("changed parameters"),
    "llm.set_fallbacks": N_("changed the order of answer"),
    "persona.set_prompt": N_("changed a persona"),
    "persona.reset_prompt": N_("reset a persona"),
    "voices.choose": N_("chose a voice"),
    "tts.preset": N_("chose an intonation"),
    "tts.preset_create": N_("made an intonation"),
    "tts.preset_update": N_("changed an intonation"),
    "tts.preset_delete": N_("deleted an intonation"),
    "tts.cache_clear": N_("emptied the phrase cache"),
    "stt.options": N_("changed recognition"),
    "faq.create": N_("made a FAQ entry"),
    "faq.update": N_("changed a FAQ entry"),
    "faq.delete": N_("deleted a FAQ entry"),
    "faq.options": N_("changed FAQ settings"),
}
VERBS = {
    "create": N_("made"),
    "update": N_("changes"),
    "delete": N_("deleted"),
    "download": N_("download"),
    "load": N_("loaded a model"),
    "unload": N_("unloaded a model"),
    "import": N_("import"),
    "export": N_("export"),
    "cancel": N_("cancelled"),
    "pause": N_("paused"),
    "resume": N_("resumed"),
    "options": N_("settings"),
    "settings": N_("settings"),
}
"""By the last part of an action that has no words of its own."""
AREAS = {
    "auth": N_("Logging in"),
    "user": N_("Users"),
    "key": N_("Access keys"),
    "plugin": N_("Plugins"),
    "llm": N_("Answer models"),
    "persona": N_("Personas"),
    "tts": N_("Voices"),
    "voices": N_("Voices"),
    "stt": N_("Recognition"),
    "chat": N_("Chat"),
    "faq": N_("FAQ"),
    "job": N_("Background work"),
    "audit": N_("Audit"),
}
ICONS = {
    "auth": "login",
    "user": "person",
    "key": "key",
    "plugin": "extension",
    "llm": "neurology",
    "voice": "record_voice_over",
    "chat": "chat",
    "persona": "sentiment_satisfied",
    "tts": "record_voice_over",
    "stt": "graphic_eq",
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
                "",
                {"": _("All areas")} | {area: self._area_name(area) for area in areas},
                "",
                on_change=self._set_area,
                classes="u-filter",
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
        if known:
            return _(known)
        area, _dot, rest = action.partition(".")
        verb = VERBS.get(rest.rpartition(".")[2])
        return f"{self._area_name(area)}: {_(verb)}" if verb else action

    def _area_name(self, area: str) -> str:
        known = AREAS.get(area)
        return _(known) if known else names.plugin_title(area)

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
