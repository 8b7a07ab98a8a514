"""Where the admin writes or speaks as a visitor would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.conversations.records import Message
from ai_secretary.i18n import N_, Translator
from ai_secretary_ui import components as c

if TYPE_CHECKING:
    from ai_secretary_ui.pages.chat.page import ChatPage

_ = Translator("ui")

MOST_CHARACTERS = 8000
MIC_WORDS = {
    "denied": N_("The browser does not let this page hear the microphone. Allow it in the address bar and press again."),
    "insecure": N_("Browsers give the microphone only to https pages and to this computer itself. Open the admin by https."),
    "unsupported": N_("This browser cannot record. Firefox, Chrome, Edge and Safari of recent years can."),
    "no_microphone": N_("No microphone was found. Plug one in and press again."),
    "network": N_("The recording did not reach the server. Nothing was sent; say it once more."),
    "no_recognizer": N_("There is no recogniser for this language. Install one on the Recognition page."),
    "audio_empty": N_("Nothing was recorded. Press, speak, press again."),
}
ENTER = "(e) => { if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); emit(e.target.value); } }"


class Composer:
    """Box, microphone, send and stop."""

    def __init__(self, page: ChatPage) -> None:
        self._page = page
        self._edit_of: str | None = None
        self._box: ui.textarea
        self._send: Element
        self._stop: Element
        self._mic: Element
        self._editing: Element
        self._recording: Element
        self._root: Element

    def draw(self) -> None:
        with c.el("c-comp") as self._root:
            self._editing = c.el("c-editing")
            self._editing.set_visibility(False)
            with c.el("c-box", data_composer="1"):
                self._box = ui.textarea(placeholder=_("Ask the secretary anything…"))
                self._box.props(
                    f'borderless dense autogrow maxlength={MOST_CHARACTERS} rows=1 aria-label="{_("Message")}"', remove="outlined"
                )
                self._box.classes("c-input")
                self._box.on("keydown", self._entered, js_handler=ENTER)
                with c.el("c-rec"):
                    c.live_glyph()
                    c.text(_("Speak, then press again"), "as-13 only-desk")
                    with c.el("as-num as-13", "span", data_rectime="1"):
                        ui.label("0:00").classes("as-inline")
                    c.el("as-sp")
                    cancel = c.el("as-btn quiet as-sm", "button", type="button")
                    with cancel:
                        ui.label(_("Cancel")).classes("as-inline")
                    cancel.on("click", js_handler="() => asMic.stop(false)")
                with c.el("as-btn sec c-hearing"):
                    c.live_glyph()
                    ui.label(_("Recognising…")).classes("as-inline")
                self._mic = c.el("as-icon c-mic", "button", type="button", aria_label=_("Speak (Ctrl + M)"))
                with self._mic:
                    c.icon("mic", "as-playicon")
                    c.icon("stop_circle", "as-pauseicon")
                    ui.tooltip(_("Speak (Ctrl + M)")).props("delay=300")
                self._mic.on("click", js_handler="() => asMic.toggle('')")
                self._send = c.icon_button("arrow_upward", _("Send"), self._pressed, classes="pri c-send")
                self._stop = c.el("as-btn sec c-stop", "button", type="button", aria_label=_("Stop"))
                with self._stop:
                    c.icon("stop_circle")
                    ui.label(_("Stop")).classes("only-desk as-inline")
                self._stop.on("click", lambda: self._page.thread.stop())
                self._stop.set_visibility(False)
            with c.el("c-hint as-12 as-faint only-desk"):
                ui.label(_("Enter — send, Shift + Enter — new line"))
                c.el("as-sp")
                ui.label(_("Ctrl + M — voice"))
        self.reset()

    def reset(self) -> None:
        """For another conversation: what was typed stays, what was being changed does not."""
        self._end_editing()
        conversation = self._page.conversation
        readable_only = conversation is not None and conversation.source not in {"admin", "test"}
        self._root.set_visibility(self._page.may_write and not readable_only)

    def busy(self, busy: bool) -> None:
        self._send.set_visibility(not busy)
        self._mic.set_visibility(not busy)
        self._stop.set_visibility(busy)

    def focus(self) -> None:
        self._page.client.run_javascript("innerWidth>720&&document.querySelector('[data-composer] textarea')?.focus()")

    # ---- sending ----

    async def _entered(self, event: GenericEventArguments) -> None:
        await self._submit(str(event.args or ""))

    async def _pressed(self) -> None:
        await self._submit(str(self._box.value or ""))

    async def _submit(self, text: str) -> None:
        text = text.strip()
        if not text or self._page.thread.busy:
            return
        edit_of = self._edit_of
        self._end_editing()
        self._box.set_value("")
        await self._page.thread.ask(text, edit_of=edit_of)

    # ---- changing a question ----

    def edit(self, message: Message) -> None:
        self._edit_of = message.id
        self._box.set_value(message.content)
        self._editing.clear()
        self._editing.set_visibility(True)
        with self._editing:
            c.icon("edit", size=16)
            c.text(_("Changing a question: the old one and its answers stay as a branch"), "as-12")
            c.el("as-sp")
            c.button(_("Cancel"), self._cancel_editing, kind="quiet", small=True)
        self.focus()

    def _cancel_editing(self) -> None:
        self._box.set_value("")
        self._end_editing()

    def _end_editing(self) -> None:
        self._edit_of = None
        self._editing.set_visibility(False)

    # ---- voice ----

    async def microphone(self, event: GenericEventArguments) -> None:
        """What the browser's recorder says: states, and the recognised text."""
        if not isinstance(event.args, dict):
            return
        state = str(event.args.get("state") or "")
        self._root.classes(add="hearing" if state == "recognising" else "", remove="" if state == "recognising" else "hearing")
        if state == "heard":
            text = str(event.args.get("text") or "").strip()
            if not text:
                c.toast(_("No words were heard. Come closer to the microphone and say it once more."), "warning")
                return
            typed = str(self._box.value or "").strip()
            await self._submit(f"{typed} {text}".strip())
        elif state == "failed":
            code = str(event.args.get("code") or "")
            words = _(MIC_WORDS[code]) if code in MIC_WORDS else str(event.args.get("message") or "") or _("The recording failed")
            c.toast(words, "negative")
