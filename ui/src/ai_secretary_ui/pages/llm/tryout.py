"""One question, everybody who can answer it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.channels import Capabilities
from ai_secretary.dialogue import Final, Person, TextDelta, Turn
from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator
from ai_secretary.ids import new_id
from ai_secretary.llm import ChatMessage, ChatRequest
from ai_secretary.voice.language import detect
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting, names

if TYPE_CHECKING:
    from ai_secretary_ui.pages.llm.page import LlmPage

_ = Translator("ui")

MOST_MODELS = 4
MOST_CHARACTERS = 2000


class TryOut:
    """A card with a question; each answer streams into its own row with its ribbon."""

    def __init__(self, page: LlmPage) -> None:
        self._page = page
        self._box: ui.input
        self._rows: Element
        self._tasks: list[asyncio.Task[None]] = []

    def draw(self) -> None:
        with c.card(_("Try-out"), hint=_("one question, everybody who answers"), pad=False, actions=self._legend):
            with c.el("m-ask"):
                self._box = ui.input(value=_("Are you open on Saturday? And what does delivery cost?"))
                self._box.props(f'outlined dense maxlength={MOST_CHARACTERS} aria-label="{_("Question")}"')
                self._box.on("keydown.enter", self.ask)
                c.button(_("Ask"), self.ask, kind="filled", icon="play_arrow")
            self._rows = c.el("as-divide")

    def _legend(self) -> None:
        with c.el("only-desk"):
            c.stage_legend(("llm", "rule"))

    def focus(self) -> None:
        self._box.run_method("focus")

    async def ask(self) -> None:
        question = str(self._box.value or "").strip()
        if not question:
            return
        for task in self._tasks:
            task.cancel()
        self._rows.clear()
        with self._rows:
            places = [(_("As people get it"), self._row(_("As people get it"), _("FAQ, persona, order of answer")))]
            statuses = self._page.statuses()[:MOST_MODELS]
            for status in statuses:
                places.append(
                    (status.id, self._row(status.title, names.by_owner(names.model_owner(status.id), status.provider_title)))
                )
        runs = [self._pipeline(places[0][1], question)]
        runs += [self._model(place, status.id, question) for status, (_name, place) in zip(statuses, places[1:], strict=True)]
        self._tasks = [asyncio.get_running_loop().create_task(run, name="try-out") for run in runs]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _row(self, title: str, subtitle: str) -> Place:
        with c.el("m-try"):
            with c.el("as-rowtext"):
                c.text(title, "as-b as-ell")
                c.text(subtitle, "as-12 as-faint as-ell")
            answer = c.StreamingMarkdown("as-13")
            time_place = c.el("m-time")
            with time_place:
                c.live_glyph("as-faint")
        return Place(answer, time_place)

    async def _pipeline(self, place: Place, question: str) -> None:
        view = self._page.view
        turn = Turn(
            conversation_id=new_id("try"),
            text=question,
            source="test",
            person=Person(view.principal.id, view.principal.name, view.language),
            capabilities=Capabilities(),
            language=detect(question, view.language),
            timezone=view.application.settings.timezone,
        )
        started, parts = time.perf_counter(), []
        try:
            async for event in view.application.dialogue.reply(turn):
                if isinstance(event, TextDelta):
                    parts.append(event.text)
                    place.grow("".join(parts))
                elif isinstance(event, Final):
                    place.done(
                        dict(event.timings.stages), (time.perf_counter() - started) * 1000, event.source.kind, event.source.label
                    )
        except SecretaryError as error:
            place.failed(_.error(error))

    async def _model(self, place: Place, model_id: str, question: str) -> None:
        application = self._page.view.application
        persona = application.personas.default()
        language = detect(question, self._page.view.language)
        request = ChatRequest(
            "",
            (ChatMessage("system", application.personas.prompt(persona, language)), ChatMessage("user", question)),
            application.personas.sampling(persona),
        )
        reply = application.router.stream(request, [model_id])
        started, parts = time.perf_counter(), []
        try:
            async for delta in reply:
                if delta.text:
                    parts.append(delta.text)
                    place.grow("".join(parts))
            total = (time.perf_counter() - started) * 1000
            place.done({"llm": total}, total)
        except SecretaryError as error:
            place.failed(_.error(error))
        finally:
            await reply.aclose()


class Place:
    """Where one answer appears."""

    def __init__(self, answer: c.StreamingMarkdown, time_place: Element) -> None:
        self._answer = answer
        self._time = time_place
        self._shown = 0.0

    def grow(self, text: str) -> None:
        present = time.perf_counter()
        if present - self._shown >= 0.05 and not self._time.is_deleted:
            self._shown = present
            self._answer.set(text)
        self._answer.text = text

    def done(self, stages: dict[str, float], total_ms: float, kind: str = "", label: str = "") -> None:
        if self._time.is_deleted:
            return
        self._answer.finish()
        self._time.clear()
        with self._time:
            c.ribbon(stages or {"rule": total_ms}, caption=formatting.milliseconds(total_ms))
            if kind:
                c.source_badge(kind, label)

    def failed(self, reason: str) -> None:
        if self._time.is_deleted:
            return
        self._answer.text = ""
        self._answer.finish()
        self._time.clear()
        with self._answer.element:
            c.stat("err", reason)
