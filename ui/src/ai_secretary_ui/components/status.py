"""How things are: badges, facts, tiles, notes, empty places, skeletons, the stage ribbon, progress."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from nicegui import ui
from nicegui.element import Element

from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import formatting
from ai_secretary_ui.components.base import Click, Draw, button, el, icon, live_glyph, svg, text
from ai_secretary_ui.pictures import BROKEN, QUIET

_ = Translator("ui")

Kind = Literal["", "ok", "warn", "err", "info", "acc", "brass", "line"]
StatKind = Literal["ok", "warn", "err", "off", "live"]
STAGES: tuple[str, ...] = ("vad", "stt", "llm", "tts", "rule")
RIBBON_MS = 1500.0
"""A ribbon over its whole width: slow answers are visibly longer."""
_STAT_ICONS: dict[str, str] = {"ok": "check_circle", "warn": "warning", "err": "error", "off": "pause_circle"}


def badge(kind: Kind, label: str, icon_name: str = "") -> Element:
    """A word on a soft ground: `badge("ok", _("Ready"), "check_circle")`. `line` is an outline (licences)."""
    with el(f"as-badge {kind}".strip(), "span") as mark:
        if icon_name:
            icon(icon_name)
        ui.label(label).classes("as-inline")
    return mark


def badges(marks: Sequence[tuple[Kind, str, str]], most: int = 4) -> Element:
    """Several badges in a line, at most `most`, then "+2" with the rest in a tooltip: `badges([("", _("Files"), "folder")])`."""
    with el("as-badges") as line:
        for kind, label, icon_name in marks[:most]:
            badge(kind, label, icon_name)
        if len(marks) > most:
            with badge("", f"+{len(marks) - most}"):
                ui.tooltip(", ".join(label for _kind, label, _icon in marks[most:]))
    return line


def stat(kind: StatKind, label: str, icon_name: str = "") -> Element:
    """A state as icon and word: `stat("ok", _("Working"))`. `live` shows the three bars."""
    with el(f"as-stat {kind}", "span") as mark:
        if kind == "live" and not icon_name:
            live_glyph()
        else:
            icon(icon_name or _STAT_ICONS.get(kind, "info"))
        ui.label(label).classes("as-inline")
    return mark


def tile(
    name: str,
    value: str,
    unit: str = "",
    context: str = "",
    *,
    spark: Sequence[float] = (),
    color: str = "accent",
    change: str = "",
    better: bool | None = None,
) -> Element:
    """A number with a name, a unit and one line of context: `tile(_("Conversations"), "128", context=_("…"), spark=[4, 7, 5])`.

    `color` is a token (`accent`, `st-llm`, `ok`, `c1`), `change` a signed difference, `better` whether it is a good one.
    """
    with el("as-card as-tile", role="group", aria_label=f"{name}: {value} {unit}".strip()) as frame:
        text(name, "k")
        with el("v"):
            ui.label(value).classes("as-inline")
            if unit:
                with el(tag="small"):
                    ui.label(f" {unit}").classes("as-inline")
        if len(spark) > 1 and any(spark):
            svg(_spark(spark, color), "as-sparkbox")
        else:
            el("as-sparkbox")
        with el("d"):
            if change:
                with el("as-up" if better else "as-down" if better is False else "", "span"):
                    ui.label(change).classes("as-inline")
                ui.label(" ").classes("as-inline")
            ui.label(context).classes("as-inline")
    return frame


def _spark(values: Sequence[float], color: str) -> str:
    """84 × 30: a line with its area at 12 %."""
    top = max(values) or 1.0
    step = 80.0 / (len(values) - 1)
    points = [(2 + index * step, 27 - 24 * value / top) for index, value in enumerate(values)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    end_x, end_y = points[-1]
    return (
        f'<svg class="as-spark" width="84" height="30" viewBox="0 0 84 30" aria-hidden="true">'
        f'<polygon points="2,29 {line} 82,29" fill="var(--{color})" opacity=".12"/>'
        f'<polyline points="{line}" fill="none" stroke="var(--{color})" stroke-width="1.8" stroke-linejoin="round"/>'
        f'<circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="2.4" fill="var(--{color})"/></svg>'
    )


def note(
    kind: Literal["warn", "err", "info"], label: str, *, title: str = "", icon_name: str = "", action: Draw | None = None
) -> Element:
    """A notice in the page: fact → meaning → step. `note("warn", text, title=_("…"), action=lambda: button(…))`."""
    with el(f"as-note {kind}", role="alert" if kind == "err" else "note") as block:
        icon(icon_name or {"warn": "warning", "err": "error", "info": "info"}[kind])
        with el("as-notetext"):
            if title:
                text(title, "as-b")
            text(label)
            if action is not None:
                with el("as-actions as-gap"):
                    action()
    return block


def empty(
    title: str, label: str = "", action: Draw | None = None, *, picture: Literal["quiet", "broken", "none"] = "quiet"
) -> Element:
    """An empty place: what will be here, and one button that makes it happen.

    `empty(_("No calls yet"), _("Call your number …"), lambda: button(_("Test call"), call, kind="filled"))`. Empty by filter:
    `picture="none"` and a button "Clear filter". A failure: `picture="broken"`.
    """
    with el("as-empty") as block:
        if picture != "none":
            svg(QUIET if picture == "quiet" else BROKEN, "pic")
        text(title, tag="h3")
        if label:
            text(label, tag="p")
        if action is not None:
            with el("as-actions as-gap as-center"):
                action()
    return block


def failure(title: str, label: str, code: str = "", retry: Click | None = None, detail: str = "") -> Element:
    """What happened, what it means, how to mend it; the code comes last, for a specialist."""
    with el("as-empty", role="alert") as block:
        svg(BROKEN, "pic")
        text(title, tag="h3")
        text(label, tag="p")
        if retry is not None:
            with el("as-actions as-gap as-center"):
                button(_("Check again"), retry, kind="filled", icon="refresh")
        if code or detail:
            with el("as-details as-12", "details"):
                with el("as-link", "summary"):
                    ui.label(_("Details for a specialist: {code}", code=code) if code else _("Details for a specialist")).classes(
                        "as-inline"
                    )
                if detail:
                    with el("as-code"):
                        ui.label(detail).classes("as-pre")
    return block


def skeleton_rows(count: int = 3, *, tile_icon: bool = True) -> Element:
    """Grey rows of the real shape while data loads; they fade in after 200 ms, so a fast answer never flickers."""
    widths = (34, 42, 30, 38, 26)
    with el("as-divide as-late", aria_busy="true", aria_label=_("Loading")) as block:
        for index in range(count):
            with el("as-row"):
                if tile_icon:
                    el("as-skel", "span").style("width:34px;height:34px;border-radius:8px;flex:none")
                with el().style("flex:1;display:grid;gap:7px"):
                    el("as-skel", "span").style(f"width:{widths[index % 5]}%")
                    el("as-skel", "span").style(f"width:{widths[index % 5] + 24}%;height:10px;opacity:.7")
                el("as-skel", "span").style("width:64px")
    return block


STAGE_NAMES: dict[str, str] = {
    "vad": N_("Pause (VAD)"),
    "stt": N_("Recognition"),
    "llm": N_("Model"),
    "tts": N_("Voice"),
    "rule": N_("FAQ, flow"),
}
"""Message ids by part of the ribbon."""


def ribbon(stages: Mapping[str, float], *, scale_ms: float = RIBBON_MS, tall: bool = False, caption: str = "") -> Element:
    """The stage ribbon: `ribbon({"stt": 310, "llm": 420, "tts": 90})`, milliseconds per part, always in one order and colours.

    Its length is on one scale (`scale_ms` = full width). `caption` is the line of numbers beneath it.
    """
    parts = [(name, stages[name]) for name in STAGES if stages.get(name, 0) > 0]
    total = sum(value for _name, value in parts)
    words = ", ".join(f"{_(STAGE_NAMES[name])} {formatting.seconds(value / 1000)}" for name, value in parts) or "0"
    only_rule = [name for name, _value in parts] == ["rule"]
    with el("as-ribbonbox") as box:
        with el("as-ribbon" + (" tall" if tall else ""), role="img", aria_label=words) as bar:
            for name, value in parts:
                el(name, "i").style(f"flex:{max(value, 1):.0f}")
        bar.style("width:6px" if only_rule and not tall else f"width:{min(max(total / scale_ms * 100, 3), 100):.1f}%")
        if caption:
            text(caption, "as-12 as-faint as-num")
    return box


def stage_legend(names: Sequence[str] = STAGES) -> Element:
    """Colours of the ribbon in words."""
    with el("as-legend") as legend:
        for name in names:
            with el(tag="span"):
                el(f"as-dot {name}", "i")
                ui.label(_(STAGE_NAMES[name])).classes("as-inline")
    return legend


class Progress:
    """A line of work that takes a while (a download): title, bar, numbers, buttons. See `progress_row`."""

    def __init__(self, title: str, subtitle: str, actions: Draw | None) -> None:
        with el("as-row as-progress") as self.element:
            with el("as-rowtext"):
                text(title, "as-b as-ell")
                self._caption = text(subtitle, "as-12 as-faint as-num")
                with el("as-track", role="progressbar", aria_valuemin=0, aria_valuemax=100, aria_label=title) as self._track:
                    self._bar = el("as-trackbar")
            if actions is not None:
                with el("as-rowright"):
                    actions()

    def set(self, fraction: float | None, caption: str = "", *, state: Literal["", "paused", "err", "ok"] = "") -> None:
        """`fraction` 0–1, None while the total is unknown; `caption` such as "120 of 380 MB · 40 s left"."""
        self._track.classes(replace=f"as-track {state} {'unknown' if fraction is None else ''}".strip())
        if fraction is not None:
            self._bar.style(f"width:{min(max(fraction, 0.0), 1.0) * 100:.1f}%")
            self._track.props["aria-valuenow"] = round(fraction * 100)
        if caption and isinstance(self._caption, ui.label):
            self._caption.set_text(caption)


def progress_row(
    title: str, *, fraction: float | None = None, caption: str = "", subtitle: str = "", actions: Draw | None = None
) -> Progress:
    """A row with a progress bar for downloads and other jobs.

    `line = progress_row("qwen3-4b.gguf", fraction=.3, caption="…", actions=lambda: button(_("Pause"), pause, small=True))`, then
    `line.set(.4, "…")` whenever the job reports.
    """
    line = Progress(title, subtitle or caption, actions)
    line.set(fraction, caption)
    return line


_SOURCE_LOOK: dict[str, tuple[Kind, str, str]] = {
    "faq": ("ok", "quiz", N_("FAQ")),
    "flow": ("", "account_tree", N_("Flow")),
    "model": ("acc", "neurology", N_("Model")),
    "demo_model": ("warn", "school", N_("Demo model")),
    "person": ("brass", "support_agent", N_("Person")),
    "phrase": ("", "play_circle", N_("Recorded phrase")),
}


def source_badge(kind: str, label: str = "") -> Element:
    """Who answered: `source_badge("faq", "Working hours")` gives "FAQ “Working hours”"; kinds as in `dialogue.SourceKind`."""
    look, icon_name, name = _SOURCE_LOOK.get(kind, ("", "help", kind))
    shown = _(name)
    if kind in {"faq", "flow"} and label:
        shown = _("{kind} “{name}”", kind=shown, name=label)
    mark = badge(look, shown, icon_name)
    if label and kind not in {"faq", "flow"}:
        with mark:
            ui.tooltip(label)
    return mark
