"""The messages of one conversation, and the answer that is being written."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.audit import AuditEvent
from ai_secretary.channels import Capabilities
from ai_secretary.conversations.records import Message
from ai_secretary.dialogue import Overrides, Person, TextDelta
from ai_secretary.errors import NotFound, SecretaryError
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting, names
from ai_secretary_ui.media import SpeechOrder, tickets
from ai_secretary_ui.shell.live import board

if TYPE_CHECKING:
    from ai_secretary_ui.pages.chat.page import ChatPage

_ = Translator("ui")

FLUSH_SECONDS = 0.04
"""How often the growing answer is shown."""
SUGGESTIONS = (N_("What can you do?"), N_("Which days are you open?"), N_("I would like to speak to a person"))
ERROR_WORDS: dict[str, tuple[str, str, str]] = {
    "key_refused": (N_("The key was refused"), N_("The provider says it does not exist or was revoked."), "/ui/cloud"),
    "out_of_funds": (N_("The provider account is out of funds"), N_("Top it up, or choose another model."), "/ui/cloud"),
    "rate_limited": (
        N_("The provider asks to wait"),
        N_("Too many questions in a short time. The same question may work in a minute."),
        "",
    ),
    "model_not_found": (
        N_("The model was not found"),
        N_("Its provider does not have it any more. Choose another one."),
        "/ui/llm",
    ),
    "context_length_exceeded": (
        N_("The conversation is too long for this model"),
        N_("Begin a new one or choose a larger model."),
        "/ui/llm",
    ),
    "unreachable": (N_("The model's server does not answer"), N_("It may be switched off, or the network is down."), "/ui/llm"),
    "provider_timeout": (N_("The model kept silent for too long"), N_("It may be overloaded."), "/ui/llm"),
    "no_model": (N_("There is nobody to answer"), N_("No answer model is ready."), "/ui/llm"),
}


@dataclass(slots=True)
class Pending:
    """The exchange that is being answered."""

    task: asyncio.Task[None] | None
    elements: list[Element]
    body: c.StreamingMarkdown
    meta: Element
    started: float
    timed: bool = False
    """Whether the time of the first word is shown already."""


class Thread:
    """The right-hand column between head and composer."""

    def __init__(self, page: ChatPage) -> None:
        self._page = page
        self._log: Element
        self._inner: Element
        self._announce: ui.label
        self.pending: Pending | None = None
        self.messages: list[Message] = []

    @property
    def busy(self) -> bool:
        return self.pending is not None

    def draw(self) -> None:
        with c.el("c-scroll", data_stick="1", tabindex=0, role="log", aria_label=_("Messages"), aria_live="off") as self._log:
            self._inner = c.el("c-log")
        self._announce = ui.label("").classes("as-sr").props("aria-live=polite")

    # ---- loading ----

    async def load(self) -> None:
        conversation = self._page.conversation
        if conversation is None:
            self.show_empty()
            return
        self.messages = await self._page.view.application.conversations.path(self._page.visible, conversation.id)
        if self._inner.is_deleted:
            return
        self.pending = None
        self._inner.clear()
        with self._inner:
            if not self.messages:
                self._empty()
            day = ""
            for message in self.messages:
                today = formatting.date(message.created_at)
                if today != day:
                    day = today
                    c.text(_day(message), "c-day")
                self._message(message)
        self._to_end()

    def show_empty(self) -> None:
        self.messages = []
        self.pending = None
        self._inner.clear()
        with self._inner:
            self._empty()

    def _empty(self) -> None:
        with c.el("c-empty"):
            c.empty(
                _("Ask as a visitor would"),
                _("The secretary answers here exactly as it answers people: with FAQ, persona and model."),
                self._suggestions,
            )
            models = self._page.view.application.registries.models()
            if models and all(model.demo for model in models if model.state != "unavailable"):
                c.note(
                    "warn",
                    _("It is small and free so that everything works at once. It mixes up facts."),
                    title=_("The demo model is answering"),
                    icon_name="school",
                    action=lambda: c.link(_("Choose a better one"), "/ui/llm", "as-link as-13"),
                )

    def _suggestions(self) -> None:
        for text in SUGGESTIONS:
            self._suggestion(_(text))

    def _suggestion(self, text: str) -> None:
        c.button(text, lambda: self.ask(text), small=True)

    def _to_end(self) -> None:
        self._page.client.run_javascript("asStick && asStick(true)")

    # ---- messages ----

    def _message(self, message: Message) -> list[Element]:
        if message.role == "user":
            return [self._person(message)]
        if message.status == "error":
            return [self._error(message.error_code or "", str(message.details.get("error") or ""), message)]
        return [self._answer(message)]

    def _person(self, message: Message) -> Element:
        with c.el("as-msg me") as element:
            with c.el("as-bub"):
                c.text(message.content, "as-pre")
            with c.el("as-meta c-acts"):
                self._branches(message)
                if message.edited:
                    c.text(_("question changed"), "as-12")
                with c.el("c-hover"):
                    self._copy_button(message.content)
                    if self._page.may_write and self._own:
                        c.icon_button("edit", _("Change the question"), lambda: self._page.composer.edit(message), small=True)
        return element

    @property
    def _own(self) -> bool:
        """Whether the admin writes here as the visitor; conversations of real people are read only."""
        conversation = self._page.conversation
        return conversation is None or conversation.source in {"admin", "test"}

    def _answer(self, message: Message) -> Element:
        with c.el("as-msg") as element:
            with c.el("as-bub"):
                c.markdown(message.content)
            with c.el("as-meta c-acts"):
                self._branches(message)
                if message.source is not None:
                    c.source_badge(message.source.kind, message.source.label)
                self._timings(message)
                if message.status == "cancelled":
                    c.badge("", _("stopped"), "stop_circle")
                with c.el("c-hover"):
                    self._listen_button(message)
                    self._copy_button(message.content)
                    if self._page.may_write and self._own:
                        c.icon_button("refresh", _("Answer again"), lambda: self.again(message), small=True)
        return element

    def _timings(self, message: Message) -> None:
        stages = message.timings.get("stages") or {}
        first, total = message.timings.get("first_token_ms"), message.timings.get("total_ms") or 0
        by_rule = set(stages) == {"rule"}
        if stages:
            with c.el("" if by_rule else "c-ribbon"):
                c.ribbon({name: float(value) for name, value in stages.items()})
        words = timing_words(None if by_rule else first, total, message.usage.completion_tokens)
        if words:
            c.text(words, "as-num")

    def _branches(self, message: Message) -> None:
        siblings = message.siblings
        if siblings is None or siblings.total < 2:
            return
        label = _("{index} of {total}", index=siblings.index + 1, total=siblings.total)
        with c.el("c-br", "span", role="group", aria_label=_("Branch {label}", label=label)):
            for step, icon_name, name in ((-1, "chevron_left", _("Previous version")), (1, "chevron_right", _("Next version"))):
                if step == 1:
                    ui.label(label).classes("as-num as-inline")
                target = siblings.index + step
                knob = c.icon_button(icon_name, name, small=True)
                if 0 <= target < siblings.total and not self.busy:
                    knob.on("click", lambda _event, chosen=siblings.ids[target]: self._switch(chosen))
                else:
                    knob.props["disabled"] = True

    async def _switch(self, message_id: str) -> None:
        if self._page.conversation is None:
            return
        application, conversation = self._page.view.application, self._page.conversation
        await application.conversations.switch_branch(self._page.visible, conversation.id, message_id)
        application.audit.record(AuditEvent("chat.activate_branch", "conversation", conversation.id, {"message_id": message_id}))
        await self.load()

    def _copy_button(self, text: str) -> None:
        knob = c.icon_button("content_copy", _("Copy"), small=True)
        knob.on("click", lambda: c.toast(_("Copied")), js_handler=f"() => asCopy({json.dumps(text)}).then(() => emit())")

    def _listen_button(self, message: Message) -> None:
        key = f"msg:{message.id}"
        knob = c.el("as-icon as-sm as-play2", "button", type="button", aria_label=_("Listen"), data_voice=key)
        with knob:
            c.icon("volume_up", "as-playicon")
            c.icon("stop", "as-pauseicon")
            ui.tooltip(_("Listen")).props("delay=300")

        def listen() -> None:
            url = tickets.offer(SpeechOrder(self._page.view.principal.id, message.content))
            shown = json.dumps(key)
            ui.run_javascript(f"asVoice.key==={shown}?asVoice.stop():asVoice.play({json.dumps(url)},{shown})")

        knob.on("click", listen)

    def _error(self, code: str, reason: str, message: Message | None) -> Element:
        title, meaning, where = ERROR_WORDS.get(code, ("The secretary could not answer", "", ""))
        with c.el("as-msg c-error") as element:

            def steps() -> None:
                if self._page.may_write and self._own and message is not None:
                    c.button(_("Ask again"), lambda: self.again(message), kind="filled", small=True, icon="refresh")
                if where:
                    c.button(_("Open models"), href=where, small=True)
                if code:
                    c.text(code, "as-12 as-faint as-mono")

            c.note("err", _(meaning) if meaning else names.by_owner("core", reason), title=_(title), action=steps)
        return element

    # ---- answering ----

    async def ask(self, text: str, *, edit_of: str | None = None) -> None:
        """Put a question and stream its answer. The answer goes on being written even if the page is left."""
        text = text.strip()
        if not text or self.busy or not self._page.may_write:
            return
        self._cut_to(edit_of)
        with self._inner, c.el("as-msg me") as question, c.el("as-bub"):
            c.text(text, "as-pre")
        self._start(text, [question], edit_of=edit_of, regenerate=None)

    async def again(self, message: Message) -> None:
        """Answer the same question once more; the old answer stays as a branch."""
        if self.busy:
            return
        self._cut_to(message.id)
        self._start("", [], edit_of=None, regenerate=message.id)

    def _cut_to(self, message_id: str | None) -> None:
        """Take away what comes from `message_id` on (another branch begins there), or the picture of an empty chat."""
        if message_id is None:
            if not self.messages:
                self._inner.clear()
            return
        index = next((i for i, message in enumerate(self.messages) if message.id == message_id), len(self.messages))
        self.messages = self.messages[:index]
        self._inner.clear()
        with self._inner:
            for message in self.messages:
                self._message(message)

    def _start(self, text: str, elements: list[Element], *, edit_of: str | None, regenerate: str | None) -> None:
        with self._inner, c.el("as-msg c-pending") as answer:
            with c.el("as-bub"):
                body = c.StreamingMarkdown()
            with c.el("as-meta") as meta:
                c.live_glyph()
                c.text(_("thinks…"), "as-12")
        self.pending = Pending(None, [*elements, answer], body, meta, time.perf_counter())
        self._page.composer.busy(True)
        self._to_end()
        context = self._page.view.context
        coroutine = self._run(self.pending, text, edit_of, regenerate)
        if context is not None:
            self.pending.task = context.tasks.spawn(coroutine, name="chat-answer")
        else:
            self.pending.task = asyncio.get_running_loop().create_task(coroutine, name="chat-answer")

    def stop(self) -> None:
        """Stop writing; what has come stays."""
        if self.pending is not None and self.pending.task is not None:
            self.pending.task.cancel()
        self._page.client.run_javascript("asVoice.stop()")

    async def _run(self, pending: Pending, text: str, edit_of: str | None, regenerate: str | None) -> None:
        view = self._page.view
        conversation = self._page.conversation
        live_key = conversation.id if conversation is not None else f"new:{id(pending)}"
        board.enter(live_key)
        speaking: asyncio.Queue[str | None] | None = None
        if self._page.auto_speak:
            speaking = asyncio.Queue()
            url = tickets.offer(SpeechOrder(view.principal.id, pieces=_pieces(speaking)))
            self._page.client.run_javascript(f"asVoice.play({json.dumps(url)},'answer')")
        stored_id = conversation.id if conversation is not None else None
        received: list[str] = []
        shown_at = 0.0
        first_ms: float | None = None
        failed: SecretaryError | None = None
        try:
            async with view.application.dialogue.begin(
                stored_id,
                text,
                person=Person(view.principal.id, view.principal.name, view.language),
                source="admin",
                owner_id=view.principal.id if conversation is None else None,
                viewer=self._page.visible,
                overrides=Overrides(model=self._page.model, persona=self._page.persona) if conversation is None else None,
                capabilities=Capabilities(markdown=speaking is None, speech=speaking is not None),
                edit_of=edit_of,
                regenerate=regenerate,
            ) as (opened, events):
                stored_id = opened.conversation_id
                async for event in events:
                    if not isinstance(event, TextDelta):
                        continue
                    received.append(event.text)
                    if speaking is not None:
                        speaking.put_nowait(event.text)
                    present = time.perf_counter()
                    if first_ms is None and event.text.strip():
                        first_ms = (present - pending.started) * 1000
                    if present - shown_at >= FLUSH_SECONDS:
                        shown_at = present
                        self._grow(pending, "".join(received), first_ms)
                        await asyncio.sleep(0)
        except SecretaryError as error:
            failed = error
        except asyncio.CancelledError:
            # stopped by the reader: what was received is stored, and the page goes on
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
        finally:
            if speaking is not None:
                speaking.put_nowait(None)
            board.leave(live_key)
        await self._finish(pending, stored_id, failed)

    def _grow(self, pending: Pending, text: str, first_ms: float | None) -> None:
        if pending.meta.is_deleted:
            return
        pending.body.set(text)
        if first_ms is not None and not pending.timed:
            pending.timed = True
            pending.meta.clear()
            with pending.meta:
                with c.el("c-ribbon"):
                    c.ribbon({"llm": first_ms})
                c.text(_("first word {time}", time=formatting.milliseconds(first_ms)), "as-num")

    async def _finish(self, pending: Pending, stored_id: str | None, failed: SecretaryError | None) -> None:
        if self.pending is pending:
            self.pending = None
        if self._inner.is_deleted:
            return
        with self._inner:
            self._page.composer.busy(False)
            known = stored_id is not None and await self._show_stored(stored_id)
            if failed is not None and not (known and self.messages and self.messages[-1].status == "error"):
                for element in pending.elements[-1:]:
                    if not element.is_deleted:
                        element.delete()
                self._error(failed.code, _.error(failed), None)
            elif known and self.messages and self.messages[-1].role == "assistant" and self.messages[-1].status == "ok":
                self._announce.set_text(self.messages[-1].content)
            self._to_end()

    async def _show_stored(self, conversation_id: str) -> bool:
        """Draw the exchange as it is stored. False when nothing was."""
        current = self._page.conversation
        if current is None:
            try:
                await self._page.adopt(conversation_id)
            except NotFound:
                return False
        elif current.id != conversation_id:
            await self._page.listing.refresh()
            return False  # the reader has gone on to another conversation
        await self.load()
        await self._page.listing.refresh()
        self._page.listing.mark(conversation_id)
        return True


async def _pieces(queue: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    while (piece := await queue.get()) is not None:
        yield piece


def timing_words(first_ms: float | None, total_ms: float, tokens: int) -> str:
    """ "first word 0.64 s · 38 tok/s", or the whole time of an answer without a model."""
    if first_ms is None:
        return formatting.milliseconds(total_ms) if total_ms else ""
    words = _("first word {time}", time=formatting.milliseconds(float(first_ms)))
    writing = (total_ms - float(first_ms)) / 1000
    if tokens > 1 and writing > 0.05:
        words += f" · {formatting.number(tokens / writing)}{formatting.NBSP}{formatting.unit('tok/s')}"
    return words


def _day(message: Message) -> str:
    from datetime import UTC, datetime

    if formatting.date(message.created_at) == formatting.date(datetime.now(UTC)):
        return _("Today")
    return formatting.date(message.created_at)
