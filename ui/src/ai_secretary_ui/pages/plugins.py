"""Plugins: what is installed, in which state and why; on, off, settings, order of the stages."""

from __future__ import annotations

from datetime import UTC, datetime

from nicegui import ui
from nicegui.element import Element
from pydantic import BaseModel

from ai_secretary.audit import AuditEvent
from ai_secretary.i18n import N_, Translator
from ai_secretary.plugins.health import HealthReport
from ai_secretary.plugins.records import PluginChanged, PluginRecord
from ai_secretary_ui import PageView, formatting, names
from ai_secretary_ui import components as c
from ai_secretary_ui.components.base import MenuItem
from ai_secretary_ui.components.status import Kind, StatKind
from ai_secretary_ui.shell import updates

_ = Translator("ui")
_core = Translator("core")

TROUBLE = frozenset({"failed", "incompatible", "degraded"})
PERMISSIONS: dict[str, tuple[str, str]] = {
    "network": ("public", N_("Internet")),
    "subprocess": ("terminal", N_("Programs")),
    "serial": ("usb", N_("Devices")),
    "secrets": ("key", N_("Secrets")),
    "money": ("payments", N_("Payments")),
    "files": ("folder", N_("Files")),
    "microphone": ("mic", N_("Microphone")),
    "personal_data": ("contacts", N_("Personal data")),
}
STATES: dict[str, tuple[StatKind, str]] = {
    "started": ("ok", N_("Working")),
    "loaded": ("warn", N_("Starting")),
    "discovered": ("off", N_("Waiting")),
    "blocked": ("off", N_("Off")),
    "stopped": ("off", N_("Stopped")),
    "failed": ("err", N_("Stopped by an error")),
    "incompatible": ("err", N_("Does not fit this version")),
    "degraded": ("warn", N_("Partly fails")),
    "restart_needed": ("warn", N_("Stops at the next start")),
}
CAPABILITIES = {
    "model": N_("answer models"),
    "voice": N_("voices"),
    "recogniser": N_("recognition"),
    "channel": N_("a channel"),
    "page": N_("pages"),
    "stage": N_("a stage of the dialogue"),
    "tool": N_("tools"),
    "routes": N_("addresses of the API"),
    "job": N_("background work"),
}


async def build(view: PageView) -> None:
    PluginsPage(view).draw()


class PluginsPage:
    """One open page."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.host = view.application.host
        self.may_change = view.can("plugins:admin")
        self._filter = "all"
        self._search = ""
        self._body: Element
        self._chips: Element
        self._fact: ui.label

    def draw(self) -> None:
        fact = c.page_header(_("Plugins"), "", lambda: c.button(_("Order of the stages"), self._show_stages, icon="account_tree"))
        assert isinstance(fact, ui.label)
        self._fact = fact
        with c.el("as-toolbar"):
            self._chips = c.el()
            c.el("as-sp")
            c.search_box(_("Filter plugins"), self._searched)
        self._body = c.el("as-grid p-grid")
        self._redraw()
        updates.on_bus(ui.context.client, self.view.application.bus, PluginChanged, lambda _event: self._redraw())

    def _searched(self, text: str | None) -> None:
        self._search = (text or "").strip().casefold()
        self._draw_cards()

    def _choose(self, key: str) -> None:
        self._filter = key
        self._draw_cards()

    def _redraw(self) -> None:
        records = self.host.list()
        self._fact.set_text(
            _.plural(
                "{n} installed. A plugin is shown with all that it may do.",
                "{n} installed. Plugins are shown with all that they may do.",
                len(records),
            )
        )
        running = sum(record.running for record in records)
        trouble = sum(record.state in TROUBLE for record in records)
        self._chips.clear()
        with self._chips:
            options = {
                "all": f"{_('All')} {len(records)}",
                "on": f"{_('On')} {running}",
                "off": f"{_('Turned off')} {len(records) - running - trouble}",
            }
            if trouble:
                options["trouble"] = f"{_('Need you')} {trouble}"
            c.tabs(options, self._filter if self._filter in options else "all", self._choose, icons={"trouble": "error"})
        self._draw_cards()

    def _wanted(self, record: PluginRecord) -> bool:
        if self._filter == "on" and not record.running:
            return False
        if self._filter == "off" and (record.running or record.state in TROUBLE):
            return False
        if self._filter == "trouble" and record.state not in TROUBLE:
            return False
        words = f"{record.id} {self._title(record)} {self._summary(record)} {record.found.distribution}".casefold()
        return self._search in words

    def _title(self, record: PluginRecord) -> str:
        return Translator(record.id)(record.title)

    def _summary(self, record: PluginRecord) -> str:
        return Translator(record.id)(record.manifest.summary) if record.manifest is not None else record.found.summary

    def _draw_cards(self) -> None:
        found = [record for record in self.host.list() if self._wanted(record)]
        self._body.clear()
        with self._body:
            if not found:
                with c.el("as-card p-none"):
                    c.empty(_("No such plugins"), _("Nothing installed has this name or this state."), picture="none")
                return
            for record in found:
                if record.state in TROUBLE:
                    self._failed(record)
            for record in found:
                if record.state not in TROUBLE:
                    self._card(record)

    # ---- cards ----

    def _head(self, record: PluginRecord, kind: str) -> None:
        with c.el(f"p-ic {kind}".strip(), "span"):
            c.icon(record.manifest.icon if record.manifest is not None else "extension")

    def _origin(self, record: PluginRecord) -> str:
        return f"{record.version} · {_('built in') if record.found.builtin else record.found.distribution}"

    def _card(self, record: PluginRecord) -> None:
        with c.el("as-card p-card", "article"):
            with c.el("p-top"):
                self._head(record, "" if record.running else "off")
                with c.el("as-rowtext p-name"):
                    c.text(self._title(record), "as-ell", "h3")
                    c.text(self._origin(record), "as-12 as-faint as-ell")
                self._switch(record)
            c.text(self._summary(record), "p-desc", "p")
            self._permissions(record)
            with c.el("p-foot"):
                kind, word, detail = self._health(record)
                with c.stat(kind, word) as mark:
                    if detail:
                        ui.tooltip(detail)
                mark.classes("p-health")
                c.el("as-sp")
                self._licence(record)
                self._menu(record)

    def _permissions(self, record: PluginRecord) -> None:
        marks: list[tuple[Kind, str, str]] = []
        for permission in record.manifest.permissions if record.manifest is not None else ():
            icon_name, word = PERMISSIONS.get(permission, ("shield_person", permission))
            marks.append(("", _(word), icon_name))
        needs = record.manifest.needs if record.manifest is not None else None
        if needs is not None and needs.ram_mb:
            marks.append(("", f"{_('memory')} {formatting.size(needs.ram_mb * 1e6)}", "memory"))
        with c.el("p-perm"):
            if marks:
                c.badges(marks)

    def _licence(self, record: PluginRecord) -> None:
        licence = record.manifest.licence if record.manifest is not None else record.found.licence
        notes = record.manifest.licence_notes if record.manifest is not None else ()
        if licence:
            with c.badge("line", licence):
                if notes:
                    ui.tooltip(" ".join(Translator(record.id)(note) for note in notes))

    def _health(self, record: PluginRecord) -> tuple[StatKind, str, str]:
        """State in words; a health check that complains speaks first."""
        kind, word = STATES.get(record.state, ("off", record.state))
        if not record.running:
            return kind, _(word), _core(record.reason) if record.reason else ""
        worst: HealthReport | None = None
        rank = {"error": 2, "warning": 1}
        for report in self.view.application.health.latest():
            if report.owner == record.id and rank.get(report.state, 0) > (rank.get(worst.state, 0) if worst else 0):
                worst = report
        if worst is not None:
            translate = Translator(record.id)
            return (
                ("err" if worst.state == "error" else "warn"),
                translate(worst.summary),
                translate(worst.hint) if worst.hint else "",
            )
        return kind, _(word), ""

    def _switch(self, record: PluginRecord) -> None:
        if record.code in {"not_allowed", "safe_mode"}:
            reason = _core(record.reason)
        elif not self.may_change:
            reason = _("Only an administrator turns plugins on and off")
        elif record.id == "ui":
            reason = _("This page is part of it. Without it only the API remains: see SECRETARY_PLUGINS")
        else:
            reason = ""
        control = ui.switch(value=record.running)
        control.props["aria-label"] = _("Plugin {name}", name=self._title(record))
        if reason:
            control.props("disable")
            with control:
                ui.tooltip(reason)
            return

        async def toggle() -> None:
            await (self._disable(record) if record.running else self._enable(record))
            self._redraw()

        control.on("click", toggle)

    def _menu(self, record: PluginRecord) -> None:
        items: list[MenuItem | None] = []
        if self.may_change and self.view.application.registries.options.get(record.id) is not None:
            items.append(MenuItem(_("Settings"), lambda: self._settings(record), "tune"))
        items.append(MenuItem(_("Details"), lambda: self._details(record), "info"))
        if self.may_change and record.id != "ui":
            items.append(MenuItem(_("Start again"), lambda: self._retry(record), "restart_alt"))
        if record.manifest is not None and record.manifest.homepage:
            items.append(MenuItem(_("Home page"), None, "open_in_new", href=record.manifest.homepage))
        c.menu(items, label=_("Actions for {name}", name=self._title(record)), icon="more_horiz")

    def _failed(self, record: PluginRecord) -> None:
        kind, word = STATES[record.state]
        with c.el("as-card p-fail", "article"):
            with c.el("l"):
                self._head(record, "err")
                with c.el("p-failtext"):
                    with c.el("p-failhead"):
                        c.text(self._title(record), "p-failname", "h3")
                        c.text(self._origin(record), "as-12 as-faint")
                        c.badge("err" if kind == "err" else "warn", _(word))
                    c.text(self._sentence(record), "p-failwhy", "p")
                    if record.hint:
                        with c.el(tag="ol"), c.el(tag="li"):
                            ui.label(_core(record.hint))
                    with c.el("as-actions p-failacts"):
                        if self.may_change:
                            c.button(_("Check again"), lambda: self._retry(record), kind="filled", icon="refresh")
                            if self.view.application.registries.options.get(record.id) is not None:
                                c.button(_("Settings"), lambda: self._settings(record))
                            if record.id != "ui":
                                c.button(_("Turn off"), lambda: self._disable(record), kind="quiet")
                        if record.code:
                            c.text(record.code, "as-12 as-faint as-mono")
            with c.el("r"):
                with c.el("p-loghead"):
                    c.text(_("Last lines"), "as-b")
                    c.el("as-sp")
                    if record.details:
                        button = c.button(_("Full text"), lambda: self._details(record), kind="quiet", small=True)
                        button.classes("p-full")
                with c.el("p-log"):
                    ui.label(self._last_lines(record)).classes("as-pre")

    def _sentence(self, record: PluginRecord) -> str:
        reason = _core(record.reason) if record.reason else _("It stopped and did not say why")
        return _("{reason}. The other plugins keep working, and its data is untouched.", reason=reason.rstrip("."))

    def _last_lines(self, record: PluginRecord) -> str:
        lines: list[str] = []
        for failure in list(record.failures)[-4:]:
            at = formatting.moment(datetime.fromtimestamp(failure.at, UTC)).rpartition(", ")[2]
            lines.append(f"{at} {failure.what}: {failure.message}")
        lines += [line for line in record.details.strip().splitlines() if line.strip()][-6:]
        return "\n".join(line[:300] for line in lines[-8:]) or _("nothing was written")

    # ---- actions ----

    async def _enable(self, record: PluginRecord) -> None:
        manifest = record.manifest
        asks = [_(PERMISSIONS[item][1]) for item in manifest.permissions if item in PERMISSIONS] if manifest is not None else []
        told = [Translator(record.id)(note) for note in manifest.licence_notes] if manifest is not None else []
        if asks or told:
            label = _("It may use: {list}.", list=", ".join(asks)) if asks else ""
            if not await c.confirm(
                _("Turn on “{name}”?", name=self._title(record)), " ".join([label, *told]).strip(), _("Turn on")
            ):
                return
        await self.host.enable(record.id)
        self._told("enable", record)
        c.toast(_("“{name}” is on", name=self._title(record)))

    async def _disable(self, record: PluginRecord) -> None:
        if not await c.confirm(
            _("Turn off “{name}”?", name=self._title(record)),
            self._consequences(record),
            _("Turn off"),
        ):
            return
        await self.host.disable(record.id)
        self._told("disable", record)
        state = self.host.get(record.id).state
        if state == "restart_needed":
            c.toast(_("“{name}” stops at the next start of the server", name=self._title(record)), "warning")
        else:

            async def undo() -> None:
                await self.host.enable(record.id)
                self._told("enable", record)

            c.toast(_("“{name}” is off. Its data stays.", name=self._title(record)), undo=undo)

    def _consequences(self, record: PluginRecord) -> str:
        """What goes with it, said before."""
        registries = self.view.application.registries
        gone: list[str] = []
        pages = [Translator(owner)(page.title) for owner, page in registries.pages.items() if owner == record.id]
        if pages:
            gone.append(_("pages: {list}", list=", ".join(pages)))
        for capability in record.manifest.capabilities if record.manifest is not None else ():
            if capability not in {"page", "routes"}:
                gone.append(_(CAPABILITIES[capability]))
        parts = [_("Until it is on again, these are missing — {list}.", list="; ".join(gone))] if gone else []
        if record.manifest is not None and record.manifest.reload == "restart":
            parts.append(_("It stops at the next start of the server."))
        parts.append(_("Nothing is deleted: settings and data stay."))
        return " ".join(parts)

    async def _retry(self, record: PluginRecord) -> None:
        await self.host.retry(record.id)
        self._told("retry", record)
        now = self.host.get(record.id)
        if now.running:
            c.toast(_("“{name}” works", name=self._title(record)))
        else:
            c.toast(_("“{name}” did not start: {reason}", name=self._title(record), reason=_core(now.reason)), "negative")

    def _told(self, action: str, record: PluginRecord) -> None:
        state = self.host.get(record.id).state
        self.view.application.audit.record(AuditEvent(f"plugin.{action}", "plugin", record.id, {"state": state}))

    def _settings(self, record: PluginRecord) -> None:
        model = self.view.application.registries.options.get(record.id)
        if model is None:
            return
        subject = f"plugin:{record.id}"
        sheet = c.sheet(_("Settings of “{name}”", name=self._title(record)))

        async def save(value: BaseModel) -> None:
            await self.view.application.preferences.set(subject, value)
            self.view.application.audit.record(
                AuditEvent("plugin.options", "plugin", record.id, {"fields": sorted(type(value).model_fields)})
            )
            sheet.close()

        with sheet:
            if not model.model_fields:
                c.text(_("This plugin has nothing to set"), "as-muted")
            else:
                current = self.view.application.preferences.get(subject, model)
                c.settings_form(model, current, save, translate=Translator(record.id), save_button=True)
        sheet.open()

    def _details(self, record: PluginRecord) -> None:
        manifest = record.manifest
        sheet = c.sheet(self._title(record), wide=bool(record.details))
        with sheet:
            c.text(self._summary(record), "as-prose")
            facts = [
                (_("Name"), record.id),
                (_("Version"), record.version),
                (_("Package"), record.found.distribution),
                (_("Needs core"), record.found.requires_core or "—"),
                (_("Licence"), manifest.licence if manifest is not None else record.found.licence),
            ]
            if manifest is not None:
                facts.append((_("Brings"), ", ".join(_(CAPABILITIES[item]) for item in manifest.capabilities) or "—"))
                facts.append((_("May use"), ", ".join(_(PERMISSIONS[item][1]) for item in manifest.permissions) or "—"))
                needs = [manifest.needs.device, *manifest.needs.system_packages]
                if any(needs):
                    facts.append((_("Needs"), ", ".join(part for part in needs if part)))
            if record.load_ms:
                facts.append((_("Started in"), formatting.milliseconds(record.load_ms)))
            c.key_value(facts)
            for note in manifest.licence_notes if manifest is not None else ():
                c.note("info", Translator(record.id)(note), icon_name="description")
            if record.details:
                c.code(record.details, label=_("Details for a specialist"))
        sheet.open()

    def _show_stages(self) -> None:
        sheet = c.sheet(_("Order of the stages"))
        with sheet:
            c.text(_("Every question meets these in turn; the first one that can answer does."), "as-muted as-prose")
            with c.el("p-stages"):
                for entry in self.view.application.dialogue.pipeline.entries():
                    with c.el("p-stage"):
                        c.text(str(entry.order), "m-no")
                        with c.el("as-rowtext"):
                            owner = entry.owner if entry.owner != "core" else ""
                            c.text(names.by_owner(owner or "core", entry.title), "as-b")
                            c.text(names.plugin_title(owner) if owner else _("core"), "as-12 as-faint")
        sheet.open()
