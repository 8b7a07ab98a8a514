"""The voice as the core sees it: what it is, whether it can speak, and speech as a stream."""

from __future__ import annotations

import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final

from ai_secretary.errors import InvalidInput, Unavailable
from ai_secretary.i18n import N_, Translator
from ai_secretary.plugins import Health
from ai_secretary.speech import AudioChunk, EngineState, VoiceInfo, VoiceOptions
from ai_secretary.workers import Worker, WorkerError
from ai_secretary_tts_festival.options import FestivalOptions

_ = Translator("tts_festival")

NAME: Final = "msu_ru_nsh"
FUNCTION: Final = "msu_ru_nsh_clunits"
FOLDER: Final = Path("/usr/share/festival/voices/russian") / FUNCTION
SAMPLE_RATE: Final = 16000
INSTALL: Final = "sudo apt install festival festvox-ru"

_ENDED: Final = frozenset({"worker_crashed", "worker_stopped"})


class FestivalVoice:
    """Source and voice in one, for there is only one voice."""

    def __init__(self, options: Callable[[], FestivalOptions], folder: Path = FOLDER) -> None:
        self._options = options
        self._folder = folder
        self.hang_s = 20.0
        """A phrase takes a tenth of a second; after this time the process is replaced."""
        self.missing = ""
        """What is not installed, an English message id; empty: all is there."""
        idle_s = options().idle_minutes * 60
        self.worker = Worker(
            "ai_secretary_tts_festival.engine:FestivalEngine",
            name="festival",
            init={"program": shutil.which("festival") or "/usr/bin/festival", "voice": FUNCTION},
            idle_stop_s=idle_s or None,
            concurrency=32,
        )

    def look(self) -> None:
        """See what is installed (two looks at the disk, microseconds)."""
        if shutil.which("festival") is None:
            self.missing = N_("Festival is not installed")
        elif not self._folder.is_dir():
            self.missing = N_("Festival's Russian voice is not installed")
        else:
            self.missing = ""

    # ---- the source ----

    @property
    def id(self) -> str:
        return "festival"

    def voices(self) -> Sequence[VoiceInfo]:
        return [self.info]

    def find(self, voice_id: str) -> FestivalVoice | None:
        return self if voice_id == f"festival/{NAME}" else None

    # ---- the voice ----

    @property
    def info(self) -> VoiceInfo:
        state, reason = self._state()
        return VoiceInfo(
            id=f"festival/{NAME}",
            title=_("Russian man (Festival)"),
            engine="festival",
            languages=("ru",),
            sample_rate=SAMPLE_RATE,
            gender="male",
            state=state,
            reason=reason,
            description=_("A recorded voice that needs no download"),
            licence="BSD",
        )

    def _state(self) -> tuple[EngineState, str]:
        if self.missing:
            return "unavailable", _("{what}. Install it: {command}", what=_(self.missing), command=INSTALL)
        if self.worker.state == "failed" and self.worker.retry_in > 0:
            return "unavailable", self.worker.reason
        return ("ready" if self.worker.state == "ready" else "idle"), ""

    async def synthesize(self, text: str, options: VoiceOptions) -> AsyncGenerator[AudioChunk, None]:
        """One chunk per phrase. Raises `Unavailable` where Festival is missing, `InvalidInput` for a speed out of range."""
        if not 0.25 <= options.speed <= 4.0:
            raise InvalidInput(
                "Speed {speed} is not between 0.25 and 4", speed=options.speed, code="festival_speed", field="speed"
            )
        if options.parameters:
            raise InvalidInput("This voice has no parameters but the speed", code="festival_parameters", field="parameters")
        if self.missing:
            self.look()
        if self.missing:
            raise Unavailable(self.missing, code="voice_unavailable", hint=INSTALL)
        speed = min(max(options.speed * self._options().speed, 0.25), 4.0)
        text = "".join(character for character in text if not "\ud800" <= character <= "\udfff")
        for last_try in (False, True):
            spoken = False
            try:
                async with aclosing(self.worker.within(self.hang_s).stream("synthesize", text=text, speed=speed)) as phrases:
                    async for pcm in phrases:
                        spoken = True
                        yield AudioChunk(pcm, SAMPLE_RATE)
                return
            except WorkerError as error:
                # Nothing was heard yet, so a fresh process may say it from the beginning.
                if spoken or last_try or error.code not in _ENDED:
                    raise

    def health(self) -> Health:
        self.look()
        if self.missing:
            return Health("off", self.missing, INSTALL)
        if self.worker.state == "failed":
            return Health("error", "Festival cannot start", self.worker.reason)
        return Health("ok", "Festival can speak")
