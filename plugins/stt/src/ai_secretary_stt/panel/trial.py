"""A trial: speak or drop a file, see what each recogniser hears and how long it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from nicegui import ui
from nicegui.element import Element

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import N_, Translator
from ai_secretary.speech import Audio, RecognitionOptions
from ai_secretary.voice.codecs import decode_in_thread
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting

if TYPE_CHECKING:
    from ai_secretary_stt.panel.page import RecognitionPage

_ = Translator("stt")

MAX_BYTES = 25 * 1024 * 1024
MAX_SECONDS = 600.0
ALL = "*"
PROBLEMS = {
    "denied": N_("The browser may not use the microphone. Allow it in the address bar and try again."),
    "missing": N_("There is no microphone on this device. Drop a recording here instead."),
    "insecure": N_("The browser gives the microphone only to https pages and to this machine. Drop a recording here instead."),
}
# Records until told to stop (at most 60 s) and hands the sound to the same upload as a dropped file.
RECORDER = """
window.asRecorder = window.asRecorder || {
  recorder: null,
  async start(upload) {
    if (!navigator.mediaDevices || !window.MediaRecorder) { emitEvent('stt-mic', 'insecure'); return; }
    let stream;
    try { stream = await navigator.mediaDevices.getUserMedia({audio: {channelCount: 1}}); }
    catch (error) { emitEvent('stt-mic', error.name === 'NotFoundError' ? 'missing' : 'denied'); return; }
    const recorder = this.recorder = new MediaRecorder(stream), parts = [];
    const limit = setTimeout(() => this.stop(), 60000);
    recorder.ondataavailable = (event) => { if (event.data.size) parts.push(event.data); };
    recorder.onstop = () => {
      clearTimeout(limit);
      stream.getTracks().forEach((track) => track.stop());
      this.recorder = null;
      emitEvent('stt-mic', 'stopped');
      if (parts.length) getElement(upload).$refs.qRef.addFiles([new File(parts, 'recording.webm', {type: recorder.mimeType})]);
    };
    recorder.start();
    emitEvent('stt-mic', 'recording');
  },
  stop() { if (this.recorder && this.recorder.state !== 'inactive') this.recorder.stop(); },
};
"""


class TrialCard:
    def __init__(self, page: RecognitionPage) -> None:
        self.page = page
        self._audio: Audio | None = None
        self._recording = False
        self._asked = 0
        self._upload: ui.upload
        self._button: ui.button
        self._chosen: ui.select
        self._language: ui.select
        self._result: Element

    def draw(self) -> None:
        with c.card(_("Try it")):
            with c.el().style("display:flex;gap:12px;flex-wrap:wrap;align-items:flex-end"):
                with c.el().style("flex:1 1 200px;min-width:0"):
                    self._chosen = c.select_field(
                        _("Who listens"), self._choices(), self._first(), on_change=lambda _value: self._run()
                    )
                with c.el().style("flex:1 1 160px;min-width:0"):
                    self._language = c.select_field(
                        _("Language"),
                        {"": _("Find out"), "ru": _("Russian"), "en": _("English")},
                        self.page.view.language if self.page.view.language in {"ru", "en"} else "",
                        on_change=lambda _value: self._run(),
                    )
            with c.el("as-actions").style("margin:12px 0"):
                self._button = c.button(_("Speak"), self._toggle, kind="filled", icon="mic")
            self._upload = c.file_drop(
                _("or drop a recording here"),
                self._received,
                accept="audio/*,video/*",
                max_bytes=MAX_BYTES,
                icon_name="graphic_eq",
                hint=_("Any common format, up to ten minutes"),
            )
            self._result = c.el("as-grid", aria_live="polite").style("margin-top:12px")
        ui.on("stt-mic", lambda event: self._microphone(str(event.args)))

    def refresh(self) -> None:
        """The recognisers changed."""
        choices = self._choices()
        value = self._chosen.value if self._chosen.value in choices else next(iter(choices), None)
        if choices != self._chosen.options or value != self._chosen.value:
            self._chosen.set_options(choices, value=value)

    def _choices(self) -> dict[str, str]:
        found = {listed.model.id: listed.info.title for listed in self.page.models.installed()}
        if len(found) > 1:
            found[ALL] = _("All, to compare")
        return found

    def _first(self) -> str | None:
        return next(iter(self._choices()), None)

    # ---- sound ----

    def _toggle(self) -> None:
        if self._recording:
            ui.run_javascript("window.asRecorder && window.asRecorder.stop()")
        else:
            ui.run_javascript(f"{RECORDER} window.asRecorder.start({self._upload.id});")

    def _microphone(self, state: str) -> None:
        self._recording = state == "recording"
        self._button.set_text(_("Stop and listen") if self._recording else _("Speak"))
        if state in PROBLEMS:
            self._result.clear()
            with self._result:
                c.note("warn", _(PROBLEMS[state]), icon_name="mic_off")

    async def _received(self, _name: str, data: bytes) -> None:
        try:
            self._audio = await decode_in_thread(data, max_rate=48_000, max_bytes=MAX_BYTES, max_seconds=MAX_SECONDS)
        except SecretaryError as error:
            self._audio = None
            self._result.clear()
            with self._result:
                c.note("err", _(error.hint) if error.hint else "", title=_.error(error))
            return
        await self._run()

    # ---- text ----

    async def _run(self) -> None:
        """Let the chosen recognisers hear the sound, one after another, so that their times can be compared."""
        audio, chosen = self._audio, self._chosen.value
        if audio is None or not chosen:
            return
        self._asked += 1
        asked = self._asked
        self._result.clear()
        models = [listed.model.id for listed in self.page.models.installed()] if chosen == ALL else [chosen]
        language = self._language.value or None
        for model_id in models:
            with self._result:
                place = c.el()
                with place:
                    c.skeleton_rows(1, tile_icon=False)
            await self._one(place, model_id, audio, language)
            if asked != self._asked or self._result.is_deleted:
                return

    async def _one(self, place: Element, model_id: str, audio: Audio, language: str | None) -> None:
        recognizer = self.page.context.registries.find_recognizer(model_id)
        if recognizer is None:
            place.clear()
            return
        title = recognizer.info.title
        cold = recognizer.info.state != "ready"
        started = time.perf_counter()
        try:
            transcript = await recognizer.transcribe(audio, RecognitionOptions(language=language))
        except SecretaryError as error:
            if not place.is_deleted:
                place.clear()
                with place:
                    c.note("err", _.error(error), title=title)
            return
        seconds = time.perf_counter() - started
        if place.is_deleted:
            return
        place.clear()
        with place, c.el().style("background:var(--surface-2);border-radius:var(--r-md);padding:10px 12px"):
            c.text(title, "as-12 as-b")
            c.text(transcript.text or _("Nothing was heard"), "as-15" + ("" if transcript.text else " as-faint")).style(
                "overflow-wrap:anywhere"
            )
            facts = [
                _("{heard} of sound in {time}", heard=formatting.seconds(transcript.duration), time=formatting.seconds(seconds)),
            ]
            if transcript.language:
                facts.append(_("language: {code}", code=transcript.language))
            if cold:
                facts.append(_("loading included"))
            c.ribbon({"stt": seconds * 1000}, caption=" · ".join(facts))
