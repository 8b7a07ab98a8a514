"""Voices: who speaks in which language, how fast, and what exactly will be spoken."""

from __future__ import annotations

import json

from nicegui import ui
from nicegui.element import Element
from nicegui.events import GenericEventArguments

from ai_secretary.audit import AuditEvent
from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import N_, Translator
from ai_secretary.speech import VoiceInfo
from ai_secretary.voice.language import detect
from ai_secretary.voice.normalization import normalise_off_loop
from ai_secretary.voice.preferences import VoicePreferences
from ai_secretary.voice.presets import Intonation
from ai_secretary_ui import PageView, formatting, names
from ai_secretary_ui import components as c
from ai_secretary_ui.media import SpeechOrder, tickets

_ = Translator("ui")

PHRASES = {
    "ru": "Здравствуйте! Это секретарь. Сегодня работаем до 20:00, доставка стоит 450 ₽.",
    "en": "Hello! This is the secretary. We are open until 8 pm today, delivery costs $4.50.",
}
SPEED_WORDS = ((0.7, N_("slow, for dictating")), (0.9, N_("calm")), (1.1, N_("normal")), (1.3, N_("brisk")), (4.1, N_("fast")))
PRESETS = (N_("Neutral"), N_("Warm"), N_("Energetic"), N_("Calm"), N_("Natural"))
"""Titles of the presets of the house, marked here for translation."""
INTONATION = (
    N_("Temperature"), N_("Repetition penalty"), N_("Top k"), N_("Top p"), N_("Speed"), N_("Gpt cond len"),
    N_("Gpt cond chunk len"),
)  # fmt: skip
"""Fields of an intonation, as the form names them."""
MOST_CHARACTERS = 600
GENDERS = {"female": N_("female"), "male": N_("male")}


async def build(view: PageView) -> None:
    VoicesPage(view).draw()


class VoicesPage:
    """One open page."""

    def __init__(self, view: PageView) -> None:
        self.view = view
        self.voice = view.application.voice
        self.may_write = view.can("voices:write")
        self.text = PHRASES[view.language]
        self._preview: ui.label
        self._lists: Element
        self._cache: Element
        self._side: Element

    @property
    def preferences(self) -> VoicePreferences:
        return self.voice.preferences

    def draw(self) -> None:
        c.page_header(_("Voices"), _("Who speaks in which language, and how it sounds"))
        self._try_card()
        with c.grid(side=True, classes="v-cols"):
            self._lists = c.el()
            self._side = c.el("as-grid as-cols1")
        with self._lists:
            self._draw_lists()
        with self._side:
            self._draw_side()
        ui.on("as-voice", self._played)

    # ---- try ----

    def _try_card(self) -> None:
        with c.card(classes="v-try"):
            with c.el("v-say"):
                c.icon("format_quote", "as-faint")
                box = ui.textarea(value=self.text).props(
                    f'borderless dense autogrow maxlength={MOST_CHARACTERS} debounce=300 aria-label="{_("Phrase to try")}"',
                    remove="outlined",
                )
                box.on_value_change(lambda event: self._said(event.value))
            with c.el("v-preview"):
                c.text(_("Will be spoken:"), "as-12 as-faint")
                self._preview = ui.label("").classes("as-13 as-muted").props("aria-live=polite")
        ui.timer(0, self._show_preview, once=True)

    async def _said(self, text: str) -> None:
        self.text = (text or "")[:MOST_CHARACTERS]
        await self._show_preview()

    async def _show_preview(self) -> None:
        language = detect(self.text, self.view.language)
        spoken = await normalise_off_loop(self.text, language)
        if not self._preview.is_deleted:
            self._preview.set_text(spoken or _("nothing: there is no word in it"))

    def _played(self, event: GenericEventArguments) -> None:
        if isinstance(event.args, dict) and event.args.get("state") == "failed":
            c.toast(_("The voice did not sound: {reason}", reason=str(event.args.get("message") or "")), "negative")

    def play(self, voice: VoiceInfo) -> None:
        language = detect(self.text, self.view.language)
        if language not in voice.languages:
            language = voice.languages[0] if voice.languages else language
        text = self.text if detect(self.text, self.view.language) in voice.languages else PHRASES.get(language, self.text)
        url = tickets.offer(SpeechOrder(self.view.principal.id, text, voice=voice.id, language=language))
        key = json.dumps(f"voice:{voice.id}")
        ui.run_javascript(f"asVoice.key==={key}?asVoice.stop():asVoice.play({json.dumps(url)},{key})")

    # ---- by language ----

    def _draw_lists(self) -> None:
        voices = self.voice.voices()
        if not voices:
            with c.card():
                c.empty(
                    _("No voice yet"),
                    _(
                        "Without a voice the secretary answers in writing only. A voice plugin brings voices; "
                        "it may still be loading."
                    ),
                    lambda: c.button(_("Open plugins"), href="/ui/plugins", kind="filled"),
                )
            return
        order = ["ru", "en", *sorted({voice.languages[0] for voice in voices if voice.languages} - {"ru", "en"})]
        for language in order:
            spoken = [voice for voice in voices if voice.languages[:1] == (language,)]
            if language in {"ru", "en"} or spoken:
                self._language(language, spoken)

    def _language(self, language: str, voices: list[VoiceInfo]) -> None:
        chosen = self._default(language)
        with c.card(names.language_name(language), len(voices), hint=_("press a card to make it the default"), classes="v-lang"):
            if not voices:
                c.empty(
                    _("No voice for this language"),
                    _("Texts in it will not be spoken until a voice is installed."),
                    picture="none",
                )
                return
            with c.el("as-grid as-cols2 as-choices", role="radiogroup", aria_label=names.language_name(language)):
                for voice in sorted(voices, key=lambda info: (info.state == "unavailable", info.title)):
                    self._card(voice, language, voice.id == chosen)

    def _default(self, language: str) -> str:
        try:
            return self.voice.resolve(None, language).info.id
        except SecretaryError:
            return ""

    def _card(self, voice: VoiceInfo, language: str, chosen: bool) -> None:
        owner = self.view.application.registries.synthesizer_sources.owner_of(voice.engine)
        gone = voice.state == "unavailable"
        card = c.el("v-card" + (" on" if chosen else "") + (" off" if gone else ""))
        with card:
            play = c.el("as-play", "button", type="button", data_voice=f"voice:{voice.id}")
            play.props["aria-label"] = _("Listen to {voice}", voice=voice.title)
            with play:
                c.icon("play_arrow", "as-playicon", 24)
                c.icon("stop", "as-pauseicon", 24)
            if gone:
                play.props["disabled"] = True
            else:
                play.on("click.stop", lambda _event: self.play(voice))
            with c.el("as-rowtext"):
                c.text(names.by_owner(owner, voice.title), "as-b as-ell")
                about = names.by_owner(owner, voice.description) or names.engine_title(voice.engine)
                c.text(about, "as-13 as-muted as-clip2")
            radio = c.el("as-radiobtn" + (" on" if chosen else ""), "button", type="button", role="radio")
            radio.props["aria-checked"] = "true" if chosen else "false"
            radio.props["aria-label"] = _("Make {voice} the default", voice=voice.title)
            with radio:
                c.el("as-radio", "span")
            with c.el("v-tags"):
                self._tags(voice, owner)
        if gone or not self.may_write:
            radio.props["disabled"] = True
            return

        async def choose() -> None:
            await self._choose(language, voice)

        radio.on("click.stop", choose)
        card.on("click", choose)

    def _tags(self, voice: VoiceInfo, owner: str | None) -> None:
        if voice.state == "unavailable":
            c.badge("err", names.by_owner(owner, voice.reason) or _("not available"), "error")
        elif voice.state == "loading":
            c.badge("warn", _("loading"), "schedule")
        c.badge("", names.engine_title(voice.engine))
        if voice.gender in GENDERS:
            c.badge("", _(GENDERS[voice.gender]))
        if voice.cloned:
            c.badge("brass", _("own recording"), "mic")
        for other in voice.languages[1:3]:
            c.badge("", names.language_name(other))
        c.badge(
            "",
            f"{formatting.number(voice.sample_rate / 1000, 0 if voice.sample_rate % 1000 == 0 else 1)} {formatting.unit('kHz')}",
        )
        if voice.licence:
            c.badge("line", voice.licence)

    async def _choose(self, language: str, voice: VoiceInfo) -> None:
        before = self.preferences
        field = f"voice_{language}"
        if language not in {"ru", "en"} or getattr(before, field) == voice.id:
            return
        await self._save(before.model_copy(update={field: voice.id}))
        c.toast(_("Voice changed. New answers already use it."), undo=lambda: self._restore(before))

    async def _restore(self, value: VoicePreferences) -> None:
        await self._save(value)
        self._redraw_side()

    async def _save(self, value: VoicePreferences) -> None:
        checked = VoicePreferences.model_validate(value.model_dump())
        await self.voice.save_preferences(checked)
        self.view.application.audit.record(
            AuditEvent("tts.preferences", "preferences", "voice", {"voice_ru": checked.voice_ru, "voice_en": checked.voice_en})
        )
        self._lists.clear()
        with self._lists:
            self._draw_lists()

    # ---- speed, intonation, cache ----

    def _redraw_side(self) -> None:
        self._side.clear()
        with self._side:
            self._draw_side()

    def _draw_side(self) -> None:
        value = self.preferences
        with c.card(_("Manner")), c.el("as-form"):

            async def set_speed(speed: float) -> None:
                await self._save(self.preferences.model_copy(update={"speed": speed}))

            c.slider_field(
                _("Speed"), value.speed, minimum=0.5, maximum=2.0, step=0.05, words=speed_words,
                hint=_("For every voice. The phone and the chat use it too."), on_change=set_speed,
            )  # fmt: skip

            async def set_preset(name: str) -> None:
                await self._save(self.preferences.model_copy(update={"preset": name}))

            presets = {preset.name: _(preset.title) if preset.builtin else preset.title for preset in self.voice.presets.all()}
            c.select_field(
                _("Intonation"), presets, value.preset if value.preset in presets else None,
                _("Only voices with intonation of their own follow it; the others take its speed no matter what."),
                set_preset,
                disabled=not self.may_write,
            )  # fmt: skip
            if self.may_write:
                with c.el("as-actions"):
                    c.button(_("New intonation"), self._new_preset, icon="add", small=True)
                    if any(preset.name == value.preset for preset in self.voice.presets.custom()):
                        c.button(_("Change"), lambda: self._edit_preset(self.preferences.preset), small=True)
                        c.button(_("Delete"), self._delete_preset, kind="quiet", small=True)
        with c.card(_("Phrase cache")):
            self._cache = c.el()
            with self._cache:
                self._draw_cache()

    def _draw_cache(self) -> None:
        stats = self.voice.cache_stats()
        asked = stats.hits + stats.misses
        c.text(_("Phrases that were already spoken sound at once and cost nothing."), "as-13 as-muted")
        with c.el("v-cache"):
            c.key_value(
                [
                    (_("Phrases"), formatting.number(stats.phrases)),
                    (
                        _("Memory"),
                        _(
                            "{used} of {all}",
                            used=formatting.size(stats.bytes),
                            all=f"{self.preferences.cache_mb}{formatting.NBSP}{formatting.unit('MB')}",
                        ),
                    ),
                    (_("Spoken from the cache"), formatting.percent(stats.hits / asked) if asked else "—"),
                ]
            )
        if self.may_write:
            with c.el("as-actions as-gap"):
                c.button(_("Clear the cache"), self._clear_cache, small=True)

    def _clear_cache(self) -> None:
        removed = self.voice.clear_cache()
        self.view.application.audit.record(AuditEvent("tts.cache_clear", "tts", details={"phrases": removed}))
        self._cache.clear()
        with self._cache:
            self._draw_cache()
        c.toast(_.plural("{n} phrase forgotten", "{n} phrases forgotten", removed))

    def _new_preset(self) -> None:
        sheet = c.sheet(_("New intonation"))
        with sheet:
            name = c.text_field(_("Name"), "", _("For instance “For the evening”"), max_length=64)
            form = c.settings_form(Intonation, Intonation(), lambda value: create(value), translate=_, save_button=True)

        async def create(value: Intonation) -> None:
            made = await self.voice.presets.create(str(name.value or ""), value.model_dump())
            self._record_preset("create", made.name)
            sheet.close()
            self._redraw_side()

        form.element.classes("v-preset")
        sheet.open()

    def _edit_preset(self, name: str) -> None:
        preset = self.voice.presets.get(name)
        sheet = c.sheet(_("Intonation “{name}”", name=name))

        async def save(value: Intonation) -> None:
            await self.voice.presets.update(name, value.model_dump())
            self._record_preset("update", name)
            sheet.close()

        with sheet:
            c.settings_form(Intonation, preset.intonation, save, translate=_, save_button=True)
        sheet.open()

    def _record_preset(self, action: str, name: str) -> None:
        self.view.application.audit.record(AuditEvent(f"tts.preset_{action}", "tts_preset", name))

    async def _delete_preset(self) -> None:
        name = self.preferences.preset
        if not await c.confirm(
            _("Delete the intonation “{name}”?", name=name),
            _("Voices that use it go back to “Natural”."),
            _("Delete intonation"),
            danger=True,
        ):
            return
        await self._save(self.preferences.model_copy(update={"preset": "natural"}))
        await self.voice.presets.delete(name)
        self._record_preset("delete", name)
        self._redraw_side()


def speed_words(value: float) -> str:
    """ "1,05 — normal"."""
    word = next(word for limit, word in SPEED_WORDS if value < limit)
    return f"{formatting.number(value, 2)} — {_(word)}"
