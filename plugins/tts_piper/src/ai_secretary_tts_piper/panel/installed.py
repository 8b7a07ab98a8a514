"""Installed voices: state, a sample at once, settings, removal."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import TYPE_CHECKING

from nicegui import ui

from ai_secretary.i18n import Translator
from ai_secretary.speech import VoiceInfo
from ai_secretary_tts_piper.files import VoiceFile
from ai_secretary_tts_piper.options import VoiceManner, VoiceSettings
from ai_secretary_ui import components as c
from ai_secretary_ui import formatting
from ai_secretary_ui.media import SpeechOrder, tickets
from ai_secretary_ui.names import language_name

if TYPE_CHECKING:
    from ai_secretary_tts_piper.panel.page import PiperPage

_ = Translator("tts_piper")

SAMPLES = {
    "ru": "Здравствуйте, вы позвонили в нашу компанию. Чем я могу вам помочь?",
    "en": "Hello, you have reached our company. How can I help you?",
    "de": "Guten Tag, wie kann ich Ihnen helfen?",
    "es": "Buenos días, ¿en qué puedo ayudarle?",
    "fr": "Bonjour, comment puis-je vous aider ?",
    "it": "Buongiorno, come posso aiutarla?",
    "kk": "Сәлеметсіз бе, сізге қалай көмектесе аламын?",
    "pl": "Dzień dobry, w czym mogę pomóc?",
    "pt": "Bom dia, como posso ajudar?",
    "uk": "Добрий день, чим я можу вам допомогти?",
}


class InstalledCard:
    def __init__(self, page: PiperPage) -> None:
        self._page = page

    def key(self) -> Hashable:
        voices = self._page.voices
        known = [(file, voices.info(file)) for file in voices.files()]
        return tuple((file.name, file.modified, file.size, info.state, info.reason) for file, info in known)

    def draw(self) -> None:
        files = self._page.voices.files()
        if not files:
            with c.card():
                c.empty(
                    _("No Piper voice yet"),
                    _("Choose one below: the Russian voices Dmitri and Irina take 60 MB each. Until then other voices speak."),
                )
            return
        with c.card(_("Installed voices"), len(files), pad=False, divide=True):
            for file in files:
                self._row(file, self._page.voices.info(file))

    def _row(self, file: VoiceFile, info: VoiceInfo) -> None:
        with c.row():
            play = c.el("as-play", "button", type="button", data_voice=f"voice:{file.id}")
            play.props["aria-label"] = _("Listen to {voice}", voice=file.title)
            with play:
                c.icon("play_arrow", "as-playicon", 24)
                c.icon("stop", "as-pauseicon", 24)
            if info.state == "unavailable":
                play.props["disabled"] = True
            else:
                play.on("click.stop", lambda _event: self._play(file))
            with c.el("as-rowtext"):
                c.text(file.title, "as-b as-ell")
                c.text(self._about(file), "as-12 as-faint as-clip2")
                if info.reason:
                    c.text(info.reason, "as-12")
            c.el("as-sp")
            with c.el("as-rowright"):
                self._state(info)
                if self._page.may_write:
                    if info.state != "unavailable":
                        c.icon_button("tune", _("Set {voice}", voice=file.title), lambda: self._settings(file), small=True)
                    if not file.package:
                        c.icon_button("delete", _("Delete {voice}", voice=file.title), lambda: self._delete(file), small=True)

    def _about(self, file: VoiceFile) -> str:
        parts = [language_name(file.language), f"{formatting.number(file.sample_rate / 1000, 1)} {formatting.unit('kHz')}"]
        if file.size:
            parts.append(formatting.size(file.size))
        if file.speaker_count > 1:
            parts.append(_.plural("{n} speaker", "{n} speakers", file.speaker_count))
        if file.package:
            parts.append(_("came with the package {package}", package=file.package))
        if file.licence:
            parts.append(_("licence {licence}", licence=file.licence))
        return " · ".join(part for part in parts if part)

    def _state(self, info: VoiceInfo) -> None:
        if info.state == "ready":
            c.stat("ok", _("In memory"))
        elif info.state == "loading":
            c.stat("warn", _("Loading"), "schedule")
        elif info.state == "idle":
            c.stat("off", _("Loads when it is needed"), "bedtime")
        else:
            c.stat("err", _("Cannot speak"))

    def _play(self, file: VoiceFile) -> None:
        text = SAMPLES.get(file.language, SAMPLES["en"])
        url = tickets.offer(SpeechOrder(self._page.view.principal.id, text, voice=file.id, language=file.language or None))
        key = json.dumps(f"voice:{file.id}")
        ui.run_javascript(f"asVoice.key==={key}?asVoice.stop():asVoice.play({json.dumps(url)},{key})")

    def _settings(self, file: VoiceFile) -> None:
        with self._page.frame:
            sheet = c.sheet(_("How {voice} speaks", voice=file.title))

        async def save(value: VoiceManner) -> None:
            settings = VoiceSettings.model_validate(value.model_dump())
            if await self._page.act(self._page.voices.save_settings(file.name, settings)):
                sheet.close()
                c.toast(_("{voice} is set. Listen to hear the difference.", voice=file.title))

        with sheet:
            c.text(_("Leave a field empty for what the voice's author meant."), "as-13 as-muted")
            model = VoiceSettings if file.speaker_count > 1 else VoiceManner
            stored = self._page.voices.settings(file.name)
            c.settings_form(model, stored, save, translate=_, save_button=True)
        sheet.open()

    async def _delete(self, file: VoiceFile) -> None:
        with self._page.frame:
            sure = await c.confirm(
                _("Delete the voice {voice}?", voice=file.title),
                _(
                    "Its files ({size}) are removed; another voice of its language speaks instead.",
                    size=formatting.size(file.size),
                ),
                _("Delete voice"),
                danger=True,
            )
        if sure:
            await self._page.act(self._page.voices.delete(file.name))
