"""The rules: which voices there are, how they are set, when they are in memory."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import structlog

from ai_secretary.audit import AuditEvent
from ai_secretary.errors import Conflict, NotFound, SecretaryError, Unavailable
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Job, JobChanged
from ai_secretary.plugins import Health, PluginContext
from ai_secretary.speech import EngineState, VoiceInfo, VoiceOptions
from ai_secretary.storage import PreferencesChanged
from ai_secretary.voice.preferences import SUBJECT as VOICE_SUBJECT
from ai_secretary.voice.preferences import VoicePreferences
from ai_secretary.workers import Worker, WorkerState
from ai_secretary_tts_piper.catalogue import Catalogue
from ai_secretary_tts_piper.downloads import Downloads
from ai_secretary_tts_piper.files import VoiceFile, scan
from ai_secretary_tts_piper.options import VOICES_SUBJECT, PiperOptions, VoiceSettings, VoiceSettingsBook
from ai_secretary_tts_piper.synthesizer import PiperSynthesizer, speaking

log = structlog.get_logger(__name__)
_ = Translator("tts_piper")

ENGINE: Final = "piper"
_NOTHING_ASKED: Final = VoiceOptions()


class PiperVoices:
    """The source of Piper's voices, and everything the admin does with them."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self.folder: Path = context.settings.data_dir / "voices" / "piper"
        self._files: dict[str, VoiceFile] = {}
        self._broken: dict[str, tuple[float, SecretaryError]] = {}
        """Voices that could not be loaded, with the file's time then: a new file gets a new chance."""
        self._loaded: frozenset[str] = frozenset()
        self._loading: dict[str, int] = {}
        self.worker = Worker(
            "ai_secretary_tts_piper.engine:PiperEngine",
            name="piper",
            init={"parallel": max(1, (os.cpu_count() or 1) // self.options().thread_count())},
            concurrency=32,
            on_state=self._worker_changed,
        )
        self.catalogue = Catalogue(
            context.data_dir / "catalogue.json", lambda: self.options().catalogue_url, context.http_user_agent
        )
        self.downloads = Downloads(self.folder, self.catalogue, context.jobs, self.rescan, context.http_user_agent)
        context.bus.subscribe(JobChanged, self.downloads.orders.on_change, owner=context.plugin_id)

    # ---- the source ----

    @property
    def id(self) -> str:
        return ENGINE

    def voices(self) -> Sequence[VoiceInfo]:
        return [self.info(file) for file in self._files.values()]

    def find(self, voice_id: str) -> PiperSynthesizer | None:
        """By id, or by the speaker's name alone (`dmitri`) where only one voice has it."""
        engine, _slash, name = voice_id.rpartition("/")
        if engine not in ("", ENGINE):
            return None
        file = self._files.get(name)
        if file is None:
            same = [other for other in self._files.values() if other.speaker_name.casefold() == name.casefold()]
            file = same[0] if len(same) == 1 else None
        return None if file is None else PiperSynthesizer(self, file)

    def info(self, file: VoiceFile) -> VoiceInfo:
        state, reason = self._state(file)
        parameters = dict(speaking(file, self.options(), self._stored_or_default(file), _NOTHING_ASKED))
        settings = {
            "noise_scale": parameters["noise_scale"],
            "noise_w": parameters["noise_w"],
            "sentence_silence": parameters["silence_s"],
            "volume": parameters["volume"],
        }
        if file.speaker_count > 1:
            settings["speaker"] = parameters["speaker"] or 0
        return VoiceInfo(
            id=file.id, title=file.title, engine=ENGINE, languages=(file.language,) if file.language else (),
            sample_rate=file.sample_rate, gender=file.gender, state=state, reason=reason,
            description=_("Natural voice, made on this machine"), licence=file.licence, parameters=settings,
        )  # fmt: skip

    def _state(self, file: VoiceFile) -> tuple[EngineState, str]:
        if file.problem:
            return "unavailable", _(file.problem, detail=file.detail)
        broken = self._broken.get(file.name)
        if broken is not None and broken[0] == file.modified:
            return "unavailable", _.error(broken[1])
        if self.worker.state == "failed" and self.worker.retry_in > 0:
            return "unavailable", _("Piper cannot start: {reason}", reason=self.worker.reason)
        if file.name in self._loading:
            return "loading", ""
        return ("ready" if str(file.model) in self._loaded else "idle"), ""

    # ---- speaking ----

    async def stream(
        self, file: VoiceFile, text: str, parameters: Mapping[str, Any], deadline_s: float
    ) -> AsyncGenerator[bytes, None]:
        """PCM sentence by sentence. Raises `Unavailable` for a voice that cannot speak, `WorkerError`, `ProviderError`."""
        state, reason = self._state(file)
        if state == "unavailable" and self.worker.state != "failed":
            raise Unavailable("Voice {voice} cannot speak: {reason}", voice=file.title, reason=reason, code="voice_unavailable")
        options = self.options()
        in_memory = str(file.model) in self._loaded
        if not in_memory:
            self._loading[file.name] = self._loading.get(file.name, 0) + 1
        items = self.worker.within(deadline_s).stream(
            "synthesize",
            model=str(file.model),
            threads=options.thread_count(),
            keep=options.voices_in_memory,
            text=text,
            **parameters,
        )
        try:
            async with aclosing(items):
                async for item in items:
                    if isinstance(item, bytes):
                        yield item
                    else:
                        self._in_memory(item)
                        if not in_memory:
                            self._load_ended(file)
                            in_memory = True
        except SecretaryError as error:
            self._note_failure(file, error)
            raise
        finally:
            if not in_memory:
                self._load_ended(file)

    async def load(self, name: str) -> None:
        """Bring a voice into memory. Raises `NotFound`, `Unavailable`, `ProviderError`."""
        file = self.file(name)
        if file.problem:
            raise Unavailable(
                "Voice {voice} cannot speak: {reason}",
                voice=file.title, reason=file.problem.format(detail=file.detail), code="voice_unavailable",
            )  # fmt: skip
        options = self.options()
        self._loading[file.name] = self._loading.get(file.name, 0) + 1
        try:
            self._in_memory(
                await self.worker.call(
                    "load", model=str(file.model), threads=options.thread_count(), keep=options.voices_in_memory
                )
            )
            self._broken.pop(file.name, None)
        except SecretaryError as error:
            self._note_failure(file, error)
            raise
        finally:
            self._load_ended(file)

    def _load_ended(self, file: VoiceFile) -> None:
        left = self._loading.get(file.name, 1) - 1
        if left > 0:
            self._loading[file.name] = left
        else:
            self._loading.pop(file.name, None)

    def _in_memory(self, models: object) -> None:
        self._loaded = frozenset(str(model) for model in models) if isinstance(models, list | tuple) else frozenset()

    def _note_failure(self, file: VoiceFile, error: SecretaryError) -> None:
        if error.code == "piper_voice_broken":
            self._broken[file.name] = (file.modified, error)

    def _worker_changed(self, state: WorkerState, _reason: str) -> None:
        if state != "ready":
            self._loaded = frozenset()

    # ---- life ----

    async def start(self) -> None:
        await self.rescan()
        self._context.bus.subscribe(PreferencesChanged, self._preferences_changed, owner=self._context.plugin_id)
        if self.options().warm_up:
            self._context.tasks.spawn(self._warm_up_when_ready(), name="warm_up")

    async def stop(self) -> None:
        await self.worker.stop()

    async def _warm_up_when_ready(self) -> None:
        await self._context.ready.wait()
        await self.warm_up()

    async def warm_up(self) -> None:
        """Load the voices that the secretary speaks with, or the first that there is."""
        chosen = self._context.preferences.get(VOICE_SUBJECT, VoicePreferences)
        wanted = [self.find(voice) for voice in (chosen.voice_ru, chosen.voice_en) if voice]
        names = list(dict.fromkeys(voice.info.id.partition("/")[2] for voice in wanted if voice is not None))
        usable = [file.name for file in self._files.values() if not file.problem]
        for name in names or usable[:1]:
            try:
                await self.load(name)
            except SecretaryError as error:
                log.warning("piper_warm_up_failed", voice=name, error=str(error))

    async def _preferences_changed(self, event: PreferencesChanged) -> None:
        if event.subject == VOICE_SUBJECT and self.options().warm_up:
            self._context.tasks.spawn(self.warm_up(), name="warm_up")

    async def rescan(self) -> None:
        """Look at the disk again."""
        files = await asyncio.to_thread(scan, self.folder)
        self._files = {file.name: file for file in files}

    # ---- settings ----

    def options(self) -> PiperOptions:
        return self._context.options(PiperOptions)

    def settings(self, name: str) -> VoiceSettings:
        """The stored settings of a voice."""
        return self._context.preferences.get(VOICES_SUBJECT, VoiceSettingsBook).voices.get(name) or VoiceSettings()

    def _stored_or_default(self, file: VoiceFile) -> VoiceSettings:
        stored = self.settings(file.name)
        if stored.speaker is not None and stored.speaker >= file.speaker_count:  # the file was replaced by another
            return stored.model_copy(update={"speaker": None})
        return stored

    async def save_settings(self, name: str, settings: VoiceSettings) -> None:
        """Raises `NotFound`, `InvalidInput` for a speaker that the voice does not have."""
        file = self.file(name)
        speaking(file, self.options(), settings, _NOTHING_ASKED)
        book = self._context.preferences.get(VOICES_SUBJECT, VoiceSettingsBook)
        voices = {key: value for key, value in book.voices.items() if key != file.name}
        if settings != VoiceSettings():
            voices[file.name] = settings
        await self._context.preferences.set(VOICES_SUBJECT, VoiceSettingsBook(voices=voices))
        self._record("tts_piper.settings", file.name, settings.model_dump(exclude_defaults=True))

    async def save_options(self, options: PiperOptions) -> None:
        await self._context.save_options(options)
        self._record("tts_piper.options", "", options.model_dump())

    # ---- files ----

    def files(self) -> list[VoiceFile]:
        return list(self._files.values())

    def file(self, name: str) -> VoiceFile:
        """By name or id. Raises `NotFound`."""
        file = self._files.get(name.removeprefix(f"{ENGINE}/"))
        if file is None:
            raise NotFound(
                "There is no voice {voice}", voice=name[:100], code="voice_not_found", hint="Look at the list of voices."
            )
        return file

    async def delete(self, name: str) -> None:
        """Delete a voice of the voices folder. Raises `NotFound`, `Conflict` for one that came with a package."""
        file = self.file(name)
        if file.package:
            raise Conflict(
                "{voice} came with the package {package} and goes with it",
                voice=file.title, package=file.package, code="piper_voice_packaged", hint="Uninstall the package.",
            )  # fmt: skip
        if self.worker.state == "ready":
            self._in_memory(await self.worker.call("unload", model=str(file.model)))
        await asyncio.to_thread(_delete, file)
        await self.rescan()
        self._record("tts_piper.delete", file.name, {"bytes": file.size})

    async def download(self, key: str) -> Job:
        job = await self.downloads.order(key)
        self._record("tts_piper.download", key, {"job": job.id})
        return job

    def _record(self, action: str, name: str, details: dict[str, Any]) -> None:
        self._context.audit.record(AuditEvent(action, "voice", f"{ENGINE}/{name}" if name else ENGINE, details))

    # ---- health ----

    def health(self) -> Health:
        if self.worker.state == "failed":
            return Health("error", "Piper cannot start", self.worker.reason)
        if self.worker.state == "restarting":
            return Health("warning", "Piper has stopped and is starting again", self.worker.reason)
        states = [info.state for info in self.voices()]
        if not states:
            return Health("warning", "There is no Piper voice yet", "Download one on the page “Piper voices”.")
        if all(state == "unavailable" for state in states):
            return Health("error", "No Piper voice can speak", "Look at the reasons on the page “Piper voices”.")
        if "loading" in states:
            return Health("ok", "Piper is loading a voice")
        return Health("ok", "Piper can speak")


def _delete(file: VoiceFile) -> None:
    for path in (file.model, file.config, file.model.with_name(f"{file.name}.MODEL_CARD")):
        path.unlink(missing_ok=True)
