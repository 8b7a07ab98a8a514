"""The page: numbers of a span, conversations, latency, tokens, errors, and cards that plugins bring."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

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
from ai_secretary_ui.pages.dashboard.health import HealthStrip
from ai_secretary_ui.pages.dashboard.machine import MachineCards
from ai_secretary_ui.shell import updates
from ai_secretary_ui.shell.guarded import GuardedSlot
from ai_secretary_ui.shell.live import board

_ = Translator("ui")

REFRESH_SECONDS = 10.0


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
        self.health = HealthStrip(view)
        self.machine = MachineCards(view, self._places, self._changed)

    async def draw(self) -> None:
        with c.el("as-pagehead"):
            with c.el("as-pagehead-text"):
                self.health.draw_title()
            c.el("as-sp")
            with c.el("as-actions"):
                with c.el("only-desk"):
                    c.tabs({"hour": _("Hour"), "day": _("Day"), "week": _("Week")}, self.span, self._choose)
                if self.view.can("chat:write"):
                    c.button(_("Ask the secretary"), href="/ui/chat?new=1", kind="filled", icon="add_comment", classes="d-ask")
        self.health.draw_place()
        self._place("tiles", c.el("as-grid as-cols4 d-tiles"))
        with c.grid(side=True, classes="d-mid"):
            self._place("recent", c.card(_("Latest conversations"), actions=self._all_link, pad=False))
            self._place("latency", c.card(_("Latency by stage"), hint=_("median")))
        with c.grid(side=True, classes="d-low"):
            self._place("tokens", c.card(_("Tokens and cost")))
            self._place("errors", c.card(_("Errors"), actions=self._log_link, pad=False))
        with c.grid(3, classes="d-low"):
            self.machine.draw_places()
        await self._plugin_cards()
        await self.refresh()
        client = ui.context.client
        ui.timer(REFRESH_SECONDS, self._tick)
        ui.on("as-visible", self._seen)
        for event_type in (HealthChanged, ModelStateChanged, PluginChanged):
            updates.on_bus(client, self.application.bus, event_type, lambda _event: self.health.draw())
        board.listen(client, lambda _count: self.machine.draw_live())

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
        if self.health.gone:
            return
        self.health.note_machine(facts)
        self.health.draw()
        self._draw_tiles(numbers)
        self._draw_recent(recent)
        self._draw_latency(numbers)
        self._draw_tokens(numbers)
        self._draw_errors(numbers)
        self.machine.draw_models()
        self.machine.draw_machine(facts)
        self.machine.draw_live()

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
                _("Answered without a model"),
                formatting.number(share * 100) if numbers.answers else "—",
                "%" if numbers.answers else "",
                _.plural("{n} answer from FAQ", "{n} answers from FAQ", numbers.from_faq)
                if numbers.answers
                else _("no answers yet"),
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
                _(
                    "The slowest twentieth takes longer than {time} ({source}).",
                    time=formatting.milliseconds(slow.p95),
                    source=names.source_name(slow.source),
                ),
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
