"""What the house stands on: models in memory, disk and memory, what is going on right now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psutil
from nicegui.element import Element

from ai_secretary.i18n import Translator
from ai_secretary_ui import PageView, formatting, names
from ai_secretary_ui import components as c
from ai_secretary_ui.shell.live import board

_ = Translator("ui")


class MachineCards:
    """Three cards; `changed(name, value)` says whether a card has to be drawn again, and empties it."""

    def __init__(self, view: PageView, places: dict[str, Element], changed: Callable[[str, object], bool]) -> None:
        self.application = view.application
        self._places = places
        self._changed = changed

    def draw_places(self) -> None:
        self._places["models"] = c.card(_("Models in memory"), pad=False)
        self._places["machine"] = c.card(_("This server"))
        self._places["live"] = c.card(_("Right now"))

    def draw_models(self) -> None:
        models = sorted(
            self.application.registries.models(), key=lambda model: ("ready", "loading", "idle", "unavailable").index(model.state)
        )
        if not self._changed("models", tuple((model.id, model.state, model.reason) for model in models)):
            return
        words = {"ready": ("ok", _("ready")), "loading": ("warn", _("loading")), "idle": ("off", _("loads when asked"))}
        with self._places["models"]:
            if not models:
                c.empty(_("No models"), _("The first one that is connected will be seen here."), picture="none")
                return
            with c.el("as-divide"):
                for model in models[:5]:
                    kind, word = words.get(model.state, ("err", _("not available")))
                    with c.el("as-row"):
                        with c.el("as-rowtext"):
                            c.text(model.title, "as-b as-ell")
                            c.text(_("demo model") if model.demo else names.provider_title(model), "as-12 as-faint as-ell")
                        c.el("as-sp")
                        c.stat(kind, word, "schedule" if kind == "warn" else "")  # type: ignore[arg-type]  # one of the kinds

    def draw_machine(self, facts: dict[str, Any]) -> None:
        memory = psutil.virtual_memory()
        disk = psutil.disk_usage(str(self.application.settings.data_dir))
        own = psutil.Process().memory_info().rss
        known = (memory.percent, round(disk.free / 1e8), round(own / 1e7), facts.get("size_bytes"))
        if not self._changed("machine", known):
            return
        with self._places["machine"], c.el("d-machine"):
            low = disk.free < 2e9
            self._meter(_("Disk"), disk.percent, _("{size} free", size=formatting.size(disk.free)), low)
            self._meter(
                _("Memory"), memory.percent, _("{size} free", size=formatting.size(memory.available)), memory.percent > 92
            )
            kind = "PostgreSQL" if facts.get("kind") == "postgresql" else "SQLite"
            size = f" · {formatting.size(facts['size_bytes'])}" if facts.get("size_bytes") else ""
            c.key_value([(_("Database"), f"{kind}{size}"), (_("This process"), formatting.size(own))])
            if low:
                c.note("warn", _("Recordings and downloads stop when the disk is full. Delete what is not needed."))

    def _meter(self, name: str, percent: float, fact: str, bad: bool) -> None:
        with c.el("d-meter"):
            with c.el("d-meterhead"):
                c.text(name, "as-b5 as-13")
                c.el("as-sp")
                c.text(fact, "as-12 as-muted as-num")
            with c.el("as-track" + (" err" if bad else ""), role="meter", aria_valuenow=round(percent), aria_label=name):
                c.el("as-trackbar").style(f"width:{percent:.0f}%")

    def draw_live(self) -> None:
        count, speaking = board.count, self.application.voice.active
        if not self._changed("live", (count, speaking)):
            return
        with self._places["live"], c.el("d-now", id="live"):
            if not count and not speaking:
                c.text(_("Quiet now. Nobody is being answered."), "as-muted")
            if count:
                c.stat("live", _.plural("{n} answer is being written", "{n} answers are being written", count))
            if speaking:
                c.stat("live", _.plural("{n} answer is being spoken", "{n} answers are being spoken", speaking))
            c.text(
                _("The server has been running for {time}", time=formatting.duration(self.application.uptime)), "as-12 as-faint"
            )
