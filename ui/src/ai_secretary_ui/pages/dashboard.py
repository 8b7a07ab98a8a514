"""Dashboard: is everything in order, what goes on, how fast, how much."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psutil
from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.dialogue.routing import ModelStateChanged
from ai_secretary.i18n import Translator
from ai_secretary.plugins.health import HealthChanged
from ai_secretary.plugins.records import PluginChanged
from ai_secretary_ui import PageView, formatting, names, statistics
from ai_secretary_ui import components as c
from ai_secretary_ui.pages.chat.thread import ERROR_WORDS
from ai_secretary_ui.shell import updates
from ai_secretary_ui.shell.guarded import GuardedSlot
from ai_secretary_ui.shell.live import board

_ = Translator("ui")

REFRESH_SECONDS = 10.0
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


async def build(view: PageView) -> None:
    page = Dashboard(view)
    await page.draw()


class Dashboard:
    """One open page; each part is drawn again only when what it shows has changed."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.application = view.application
        self.span: statistics.Span = "day"
        self.visible = True
        self._shown: dict[str, object] = {}
        self._places: dict[str, Element] = {}
        self._house: list[Jack] = []
        self._fact: Any
        self._title: Element

    async def draw(self) -> None:
        with c.el("as-pagehead"):
            with c.el("as-pagehead-text"):
                self._title = c.el(tag="h1")
                self._fact = ui.label("").classes("as-fact")
            c.el("as-sp")
            with c.el("as-actions"):
                with c.el("only-desk"):
                    c.tabs({"hour": _("Hour"), "day": _("Day"), "week": _("Week")}, self.span, self._choose)
                if self.view.can("chat:write"):
                    c.button(_("Ask the secretary"), href="/ui/chat?new=1", kind="filled", icon="add_comment", classes="d-ask")
        self._place("health", c.el())
        self._place("tiles", c.el("as-grid as-cols4 d-tiles"))
        with c.grid(side=True, classes="d-mid"):
            self._place("recent", c.card(_("Latest conversations"), actions=self._all_link, pad=False))
            self._place("latency", c.card(_("Latency by stage"), hint=_("median")))
        with c.grid(side=True, classes="d-low"):
            self._place("tokens", c.card(_("Tokens and cost")))
            self._place("errors", c.card(_("Errors"), actions=self._log_link, pad=False))
        with c.grid(3, classes="d-low"):
            self._place("models", c.card(_("Models in memory"), pad=False))
            self._place("machine", c.card(_("This server")))
            self._place("live", c.card(_("Right now")))
        await self._plugin_cards()
        await self.refresh()
        client = ui.context.client
        ui.timer(REFRESH_SECONDS, self._tick)
        ui.on("as-visible", self._seen)
        for event_type in (HealthChanged, ModelStateChanged, PluginChanged):
            updates.on_bus(client, self.application.bus, event_type, lambda _event: self._draw_health())
        board.listen(client, lambda _count: self._draw_live())

    def _place(self, name: str, element: Element) -> None:
        self._places[name] = element

    def _changed(self, name: str, value: object) -> bool:
        """Whether the part has to be drawn again."""
        if self._shown.get(name) == value and name in self._shown:
            return False
        self._shown[name] = value
        self._places[name].clear()
        return True

    async def _choose(self, span: str) -> None:
        self.span = span if span in statistics.SPANS else "day"
        await self.refresh()

    async def _seen(self, event: GenericEventArguments) -> None:
        self.visible = bool(event.args)
        if self.visible:
            await self.refresh()

    async def _tick(self) -> None:
        if self.visible:
            await self.refresh()

    async def refresh(self) -> None:
        numbers = await statistics.gather(self.application.database, self.span)
        recent = await statistics.recent(self.application.database) if self.view.can("chat:read") else []
        facts = await self.application.database_facts()
        if self._title.is_deleted:
            return
        self._note_machine(facts)
        self._draw_health()
        self._draw_tiles(numbers)
        self._draw_recent(recent)
        self._draw_latency(numbers)
        self._draw_tokens(numbers)
        self._draw_errors(numbers)
        self._draw_models()
        self._draw_machine(facts)
        self._draw_live()

    # ---- health ----

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
                    self._page_of(report.owner), names.by_owner(report.owner, report.hint),
                )
            )  # fmt: skip
        found += self._house
        for record in self.application.host.list():
            if record.state in {"failed", "incompatible", "degraded"}:
                found.append(Jack("extension", names.plugin_title(record.id), _("stopped by an error"), "err", "/ui/plugins"))
        rank = {"err": 0, "warn": 1}
        chosen = sorted(range(len(found)), key=lambda index: (rank.get(found[index].state, 2), index))[:JACKS]
        return [found[index] for index in sorted(chosen)]

    def _note_machine(self, facts: dict[str, Any]) -> None:
        """Cells for what the house stands on."""
        disk = psutil.disk_usage(str(self.application.settings.data_dir))
        kind = "PostgreSQL" if facts.get("kind") == "postgresql" else "SQLite"
        size = f" · {formatting.size(round(facts['size_bytes'], -5))}" if facts.get("size_bytes") else ""
        free = _("{size} free", size=formatting.size(round(disk.free, -8)))
        self._house = [
            Jack("database", _("Database"), f"{kind}{size}", ""),
            Jack("hard_drive", _("Disk"), free, "warn" if disk.free < 2e9 else ""),
        ]

    def _page_of(self, owner: str) -> str:
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
        address = self._page_of(self.application.registries.recognizer_sources.owner_of(usable[0].engine) or "") if usable else ""
        if not usable:
            return Jack("graphic_eq", _("Recognition"), _("speech is not understood"), "warn", self._page_of("stt"))
        fact = _("streaming") if any(item.streaming for item in usable) else _("after the phrase")
        return Jack("graphic_eq", _("Recognition"), f"{usable[0].title} · {fact}", "", address)

    def _draw_health(self) -> None:
        jacks = self.jacks()
        trouble = [jack for jack in jacks if jack.state in {"warn", "err"}]
        if not self._changed("health", (tuple(jacks), formatting.date(datetime.now(UTC)))):
            return
        self._title.clear()
        serious = any(jack.state == "err" for jack in jacks)
        with self._title:
            ui.label(_("The secretary needs you") if serious else _("The secretary is on the line")).classes("as-inline")
        today = datetime.now(UTC)
        self._fact.set_text(f"{formatting.weekday(today)}, {formatting.date(today)} · {_('updates by itself')}")
        with self._places["health"]:
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

    # ---- numbers ----

    def _draw_tiles(self, numbers: statistics.Numbers) -> None:
        known = (
            numbers.conversations, numbers.conversations_before, numbers.first_p50, numbers.first_p95, numbers.answers,
            numbers.without_model, numbers.tokens, numbers.cost, self.span, tuple(numbers.conversation_spark),
        )  # fmt: skip
        if not self._changed("tiles", known):
            return
        before = {"hour": _("to the hour before"), "day": _("to the day before"), "week": _("to the week before")}[self.span]
        difference = numbers.conversations - numbers.conversations_before
        with self._places["tiles"]:
            c.tile(
                _("Conversations"), formatting.number(numbers.conversations), "", before,
                spark=numbers.conversation_spark[-12:], change=("+" if difference > 0 else "") + formatting.number(difference),
                better=True if difference > 0 else None,
            )  # fmt: skip
            if numbers.first_p50 is None:
                c.tile(_("First word of the answer"), "—", "", _("no answers yet"))
            else:
                c.tile(
                    _("First word of the answer"), formatting.number(numbers.first_p50 / 1000, 2), formatting.unit("s"),
                    _("median, p95 — {time}", time=formatting.milliseconds(numbers.first_p95 or 0)),
                    spark=numbers.first_spark[-12:], color="st-llm",
                )  # fmt: skip
            share = numbers.without_model / numbers.answers if numbers.answers else 0.0
            c.tile(
                _("Answered without a model"), formatting.number(share * 100) if numbers.answers else "—", "%" if numbers.answers else "",
                _.plural("{n} answer from FAQ", "{n} answers from FAQ", numbers.from_faq) if numbers.answers else _("no answers yet"),
            )  # fmt: skip
            tokens = _("{amount} tokens", amount=formatting.compact(numbers.tokens))
            spark = [float(bucket.prompt + bucket.completion) for bucket in numbers.buckets[-12:]]
            if numbers.cost is None:
                c.tile(_("Tokens"), formatting.compact(numbers.tokens), "", _("the price is not known"), spark=spark, color="c1")
            else:
                c.tile(_("Spent"), formatting.dollars(numbers.cost), "", tokens, spark=spark, color="c1")

    def _all_link(self) -> None:
        if self.view.can("chat:read"):
            c.card_link(_("All conversations"), "/ui/chat")

    def _log_link(self) -> None:
        if self.view.can("audit:read"):
            c.card_link(_("Audit"), "/ui/audit")

    def _draw_recent(self, found: list[statistics.Recent]) -> None:
        live = tuple(board.active())
        if not self._changed("recent", (tuple((item.id, item.at, item.status) for item in found), live)):
            return
        with self._places["recent"]:
            if not found:
                c.empty(
                    _("No conversations yet"),
                    _("Ask something in the chat, or connect a channel: what people say will appear here at once."),
                    (lambda: c.button(_("Ask the secretary"), href="/ui/chat?new=1", kind="filled"))
                    if self.view.can("chat:write")
                    else None,
                )
                return
            with c.el("as-divide"):
                for item in found:
                    self._recent_row(item, item.id in live)

    def _recent_row(self, item: statistics.Recent, live: bool) -> None:
        with c.el("d-live"):
            with c.el("as-src" + (" live" if live else ""), "span"):
                c.icon(names.source_icon(item.source))
            with c.el("as-rowtext"):
                c.text(item.person or names.source_name(item.source), "as-b as-ell")
                c.text(f"{names.source_name(item.source)} · {formatting.when(item.at)}", "as-12 as-faint as-ell")
            quoted = f"«{item.last_question}»" if self.view.language == "ru" else f"“{item.last_question}”"
            c.text(quoted if item.last_question else "—", "q")
            with c.el("rb"):
                if live:
                    c.stat("live", _("answers now"))
                elif item.status == "error":
                    c.stat("err", _("not answered"))
                elif item.stages or item.total_ms:
                    c.ribbon(
                        item.stages or {"rule": item.total_ms},
                        caption=_("answer in {time}", time=formatting.milliseconds(item.total_ms)),
                    )
            with c.el("ac"):
                c.button(_("Open"), href=f"/ui/chat?id={item.id}", small=True)

    def _draw_latency(self, numbers: statistics.Numbers) -> None:
        shown = tuple((item.source, round(item.p50), round(item.p95), tuple(item.stages.items())) for item in numbers.latency[:5])
        if not self._changed("latency", shown):
            return
        with self._places["latency"]:
            if not numbers.latency:
                c.empty(
                    _("No answers yet"), _("How long each part takes will be seen here after the first answer."), picture="none"
                )
                return
            longest = max(item.p50 for item in numbers.latency[:5]) or 1.0
            with c.el("d-lat"):
                for item in numbers.latency[:5]:
                    c.text(names.source_name(item.source), "as-muted as-ell")
                    c.ribbon(item.stages or {"llm": item.p50}, scale_ms=longest, tall=True)
                    with c.el("r"):
                        ui.label(formatting.milliseconds(item.p50)).classes("as-num")
                        ui.tooltip(_("p95 — {time}, {n} answers", time=formatting.milliseconds(item.p95), n=item.answers))
            with c.el("d-legend"):
                c.stage_legend()
            slow = max(numbers.latency, key=lambda item: item.p95)
            c.text(
                _("The slowest twentieth takes longer than {time} ({source}).", time=formatting.milliseconds(slow.p95), source=names.source_name(slow.source)),
                "d-latnote as-13 as-muted",
            )  # fmt: skip

    def _draw_tokens(self, numbers: statistics.Numbers) -> None:
        known = tuple((bucket.at, bucket.prompt, bucket.completion) for bucket in numbers.buckets)
        if not self._changed("tokens", known):
            return
        with self._places["tokens"]:
            if not numbers.tokens:
                c.empty(
                    _("No tokens spent"), _("Answers from FAQ cost none. What models use will be drawn here."), picture="none"
                )
                return
            with c.el("as-legend d-chartlegend"):
                for color, name in (("c1", _("question")), ("c2", _("answer"))):
                    with c.el(tag="span"):
                        c.el("as-dot", "i").style(f"background:var(--{color})")
                        ui.label(name).classes("as-inline")
            ui.echart(self._chart(numbers), renderer="svg").classes("d-chart").props(
                f'role=img aria-label="{_("Tokens: {n}", n=formatting.number(numbers.tokens))}"'
            )

    def _chart(self, numbers: statistics.Numbers) -> dict[str, Any]:
        label = formatting.date if self.span == "week" else formatting.clock
        every = {"hour": 1, "day": 3, "week": 1}[self.span]
        bar: dict[str, Any] = {"type": "bar", "stack": "t", "barCategoryGap": "22%"}
        return {
            "animation": False,
            "textStyle": {"fontFamily": "Golos Text Variable"},
            "grid": {"left": 52, "right": 8, "top": 10, "bottom": 24},
            "xAxis": {
                "type": "category",
                "data": [label(bucket.at) for bucket in numbers.buckets],
                "axisLine": {"show": False},
                "axisTick": {"show": False},
                "axisLabel": {"color": "var(--text-3)", "fontSize": 11, "interval": every},
            },
            "yAxis": {
                "axisLabel": {"color": "var(--text-3)", "fontSize": 11, ":formatter": _compact_axis(self.view.language)},
                "splitNumber": 3,
                "minInterval": 1,
                "splitLine": {"lineStyle": {"color": "var(--grid)"}},
            },
            "tooltip": {
                "trigger": "axis",
                "axisPointer": {"type": "none"},
                "backgroundColor": "var(--surface)",
                "borderColor": "var(--line)",
                "textStyle": {"color": "var(--text)", "fontSize": 12},
            },
            "series": [
                bar
                | {
                    "name": _("question"),
                    "data": [bucket.prompt for bucket in numbers.buckets],
                    "itemStyle": {"color": "var(--c1)"},
                },
                bar
                | {
                    "name": _("answer"),
                    "data": [bucket.completion for bucket in numbers.buckets],
                    "itemStyle": {"color": "var(--c2)", "borderRadius": [2, 2, 0, 0]},
                },
            ],
        }

    def _draw_errors(self, numbers: statistics.Numbers) -> None:
        failures = list(self.application.guard.recent)[-4:][::-1]
        known = (tuple((line.code, line.count, line.last) for line in numbers.errors[:4]), tuple(item.at for item in failures))
        if not self._changed("errors", known):
            return
        with self._places["errors"]:
            if not numbers.errors and not failures:
                c.empty(_("No errors"), _("Nothing failed in this time."), picture="none")
                return
            with c.el("as-divide"):
                for line in numbers.errors[:4]:
                    title, _meaning, where = ERROR_WORDS.get(line.code, ("The secretary could not answer", "", ""))
                    times = _.plural("{n} time", "{n} times", line.count)
                    self._error_row(
                        "err", f"{_(title)} · {times}", names.by_owner("core", line.text), line.last, where or "/ui/chat"
                    )
                for failure in failures[: max(0, 5 - len(numbers.errors))]:
                    at = datetime.fromtimestamp(failure.at, UTC)
                    self._error_row(
                        "warn", names.plugin_title(failure.owner), f"{failure.what}: {failure.message}", at, "/ui/plugins"
                    )

    def _error_row(self, kind: str, title: str, label: str, at: datetime, href: str) -> None:
        with c.el("d-err", "a", href=href):
            with c.el(f"as-stat {kind}", "span"):
                c.icon("error" if kind == "err" else "warning")
            with c.el("as-rowtext"):
                c.text(title, "as-b as-ell")
                c.text(label, "as-muted as-clip2")
            c.el("as-sp")
            c.text(formatting.when(at), "as-12 as-faint as-num")

    # ---- machine ----

    def _draw_models(self) -> None:
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

    def _draw_machine(self, facts: dict[str, Any]) -> None:
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

    def _draw_live(self) -> None:
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

    async def _plugin_cards(self) -> None:
        cards = sorted(
            ((owner, card) for owner, card in self.application.registries.cards.items() if self.view.can(card.permission)),
            key=lambda entry: entry[1].order,
        )
        if not cards:
            return
        with c.el("as-grid d-cards"):
            for owner, card in cards:
                with c.el("d-card").style(f"--span:{card.span}"):
                    await GuardedSlot(owner, names.plugin_title(owner), f"card {card.id}", card.build, self.view, rows=2).show()


def _compact_axis(language: str) -> str:
    thousand = "тыс." if language == "ru" else "K"
    return f"v => v >= 1000 ? (v / 1000).toLocaleString('{language}') + '\u00a0{thousand}' : v"
