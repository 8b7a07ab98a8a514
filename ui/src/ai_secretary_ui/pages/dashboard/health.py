"""Is everything in order: the strip of cells along the path of a question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from nicegui import ui
from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, formatting, names
from ai_secretary_ui import components as c

_ = Translator("ui")

JACKS = 7
"""Cells of the health strip."""
STATES = {"ok": "", "warning": "warn", "error": "err", "off": "off"}


@dataclass(slots=True, frozen=True)
class Jack:
    """One cell of the strip: what, one fact, and where it is mended."""

    icon: str
    name: str
    fact: str
    state: str
    """``, `warn`, `err`, `off` or `live`."""
    href: str = ""
    hint: str = ""


class HealthStrip:
    """The title, its line of fact and the strip; drawn again only when something has changed."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.application = view.application
        self._house: list[Jack] = []
        self._shown: object = None
        self._title: Element
        self._fact: ui.label
        self._place: Element

    @property
    def gone(self) -> bool:
        return self._title.is_deleted

    def draw_title(self) -> None:
        self._title = c.el(tag="h1")
        self._fact = ui.label("").classes("as-fact")

    def draw_place(self) -> None:
        self._place = c.el()

    def jacks(self) -> list[Jack]:
        """The path of a question: recognition, model, voice, then what plugins check."""
        found = [self._recognition(), self._model(), self._voice()]
        registries = self.application.registries
        spoken_for = {"core"} | {
            owner
            for sources in (registries.chat_sources, registries.synthesizer_sources, registries.recognizer_sources)
            for owner, _source in sources.items()
        }
        for report in self.application.health.latest():
            state = STATES.get(report.state, "")
            if report.owner in spoken_for and state not in {"warn", "err"}:
                continue  # other cells speak for engines that are well, and for the house
            found.append(
                Jack(
                    report.icon, names.by_owner(report.owner, report.title), names.by_owner(report.owner, report.summary), state,
                    self.page_of(report.owner), names.by_owner(report.owner, report.hint),
                )
            )  # fmt: skip
        found += self._house
        for record in self.application.host.list():
            if record.state in {"failed", "incompatible", "degraded"}:
                found.append(Jack("extension", names.plugin_title(record.id), _("stopped by an error"), "err", "/ui/plugins"))
        rank = {"err": 0, "warn": 1}
        chosen = sorted(range(len(found)), key=lambda index: (rank.get(found[index].state, 2), index))[:JACKS]
        return [found[index] for index in sorted(chosen)]

    def note_machine(self, facts: dict[str, Any]) -> None:
        """Cells for what the house stands on."""
        disk = psutil.disk_usage(str(self.application.settings.data_dir))
        kind = "PostgreSQL" if facts.get("kind") == "postgresql" else "SQLite"
        size = f" · {formatting.size(round(facts['size_bytes'], -5))}" if facts.get("size_bytes") else ""
        free = _("{size} free", size=formatting.size(round(disk.free, -8)))
        self._house = [
            Jack("database", _("Database"), f"{kind}{size}", ""),
            Jack("hard_drive", _("Disk"), free, "warn" if disk.free < 2e9 else ""),
        ]

    def page_of(self, owner: str) -> str:
        for plugin, page in self.application.registries.pages.items():
            if plugin == owner and self.view.can(page.permission):
                return f"/ui/{page.id}"
        return "/ui/plugins" if self.view.can("plugins:read") else ""

    def _model(self) -> Jack:
        statuses = self.application.router.model_status()
        answering = next((status for status in statuses if status.answering), None)
        if answering is None:
            return Jack("neurology", _("Answer model"), _("nobody can answer"), "err", "/ui/llm")
        if answering.demo:
            return Jack("neurology", _("Answer model"), _("the demo model is answering"), "warn", "/ui/llm")
        if statuses[0] is not answering:
            return Jack(
                "neurology", _("Answer model"), _("the spare model is answering"), "warn", "/ui/llm", statuses[0].last_error
            )
        return Jack("neurology", _("Answer model"), answering.title, "", "/ui/llm")

    def _voice(self) -> Jack:
        usable = [voice for voice in self.application.voice.voices() if voice.state != "unavailable"]
        languages = sorted({voice.languages[0] for voice in usable if voice.languages})
        if not usable:
            return Jack("record_voice_over", _("Voice"), _("no voice, answers in writing only"), "warn", "/ui/voices")
        if self.application.voice.active:
            return Jack("record_voice_over", _("Voice"), _("speaking now"), "live", "/ui/voices")
        shown = _.plural("{n} voice", "{n} voices", len(usable))
        return Jack("record_voice_over", _("Voice"), f"{shown} · {', '.join(languages)}", "", "/ui/voices")

    def _recognition(self) -> Jack:
        usable = [item for item in self.application.voice.recognizers() if item.state != "unavailable"]
        address = self.page_of(self.application.registries.recognizer_sources.owner_of(usable[0].engine) or "") if usable else ""
        if not usable:
            return Jack("graphic_eq", _("Recognition"), _("speech is not understood"), "warn", self.page_of("stt"))
        fact = _("streaming") if any(item.streaming for item in usable) else _("after the phrase")
        return Jack("graphic_eq", _("Recognition"), f"{usable[0].title} · {fact}", "", address)

    def draw(self) -> None:
        jacks = self.jacks()
        trouble = [jack for jack in jacks if jack.state in {"warn", "err"}]
        known = (tuple(jacks), formatting.date(datetime.now(UTC)))
        if known == self._shown or self.gone:
            return
        self._shown = known
        self._place.clear()
        self._title.clear()
        serious = any(jack.state == "err" for jack in jacks)
        with self._title:
            ui.label(_("The secretary needs you") if serious else _("The secretary is on the line")).classes("as-inline")
        today = datetime.now(UTC)
        self._fact.set_text(f"{formatting.weekday(today)}, {formatting.date(today)} · {_('updates by itself')}")
        with self._place:
            with c.el("as-card as-strip only-desk"):
                for jack in jacks:
                    cell = c.el(f"as-jack {jack.state}".strip(), "a" if jack.href else "div")
                    if jack.href:
                        cell.props["href"] = jack.href
                    with cell:
                        with c.el("n"):
                            c.icon({"warn": "warning", "err": "error"}.get(jack.state, jack.icon))
                            c.text(jack.name, "as-ell")
                        c.text(jack.fact, "f as-ell")
                        if jack.hint:
                            ui.tooltip(jack.hint)
            with c.el("as-card only-phone-b d-hs"):
                good = len(jacks) - len(trouble)
                with c.el("as-details", "details"):
                    with c.el("d-hsrow", "summary"):
                        with c.el("as-stat " + ("ok" if not trouble else "warn"), "span"):
                            c.icon("check_circle" if not trouble else "warning")
                        with c.el("as-rowtext"):
                            c.text(_("{good} of {all} services are fine", good=good, all=len(jacks)), "as-b")
                            c.text(next((jack.fact for jack in jacks if not jack.state), ""), "as-12 as-muted as-ell")
                        c.icon("expand_more", "as-faint")
                    for jack in jacks:
                        if jack not in trouble:
                            self._phone_row(jack, "ok")
                for jack in trouble:
                    self._phone_row(jack, jack.state)

    def _phone_row(self, jack: Jack, kind: str) -> None:
        with c.el(f"d-hsrow {kind}", "a" if jack.href else "div") as line:
            if jack.href:
                line.props["href"] = jack.href
            with c.el(f"as-stat {kind}", "span"):
                c.icon({"ok": "check_circle", "warn": "warning", "err": "error"}.get(kind, "info"))
            with c.el("as-rowtext"):
                c.text(jack.name, "as-b")
                c.text(jack.fact, "as-12 as-muted as-ell")
            if jack.href:
                c.icon("chevron_right", "as-faint")
