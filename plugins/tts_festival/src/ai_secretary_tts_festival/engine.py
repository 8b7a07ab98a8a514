"""Runs in a worker process and drives one `festival --pipe`.

The pipe and not Festival's server: the server executes whatever any program of this machine sends to its port.
"""

from __future__ import annotations

import io
import os
import subprocess
import threading
import wave
from collections.abc import Iterator

from ai_secretary.errors import ProviderError
from ai_secretary_tts_festival.tempo import change_tempo
from ai_secretary_tts_festival.text import phrases, scheme_string


class FestivalGone(Exception):
    """The process has ended; what it said last is the message."""


class FestivalEngine:
    """`program` is the path of Festival, `voice` the name of a voice function without its `voice_`."""

    def __init__(self, program: str, voice: str) -> None:
        self._program = program
        self._voice = voice
        self._turn = threading.Lock()
        self._sound = os.memfd_create("festival")  # where Festival puts its waves: nothing is left on the disk, ever
        self._commands = 0
        self._start()

    def synthesize(self, text: str, speed: float) -> Iterator[bytes]:
        """PCM (int16, mono, 16 kHz) phrase by phrase. Several callers take turns after each phrase."""
        for phrase in phrases(text):
            with self._turn:
                wav = self._say(phrase)
            with wave.open(io.BytesIO(wav)) as sound:
                yield change_tempo(sound.readframes(sound.getnframes()), sound.getframerate(), speed)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "--pipe"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self._sound],
        )
        try:
            answer = self._run(f"(voice_{self._voice})")
        except FestivalGone as error:
            raise _failed(str(error)) from error
        if "ERROR" in answer:
            raise _failed(answer)

    def _say(self, phrase: str) -> bytes:
        try:
            return self._speak(phrase)
        except FestivalGone:
            self.close()
            self._start()
        try:
            return self._speak(phrase)
        except FestivalGone as error:
            raise _failed(str(error)) from error

    def _speak(self, phrase: str) -> bytes:
        os.truncate(self._sound, 0)
        answer = self._run(
            f"(set! spoken (utt.synth (Utterance Text {scheme_string(phrase)})))"
            f'(utt.save.wave spoken "/dev/fd/{self._sound}" (quote riff))'
            "(set! spoken nil)"
        )
        wav = os.pread(self._sound, os.fstat(self._sound).st_size, 0)
        if not wav:
            raise _failed(answer)
        return wav

    def _run(self, commands: str) -> str:
        """Send commands and give back what Festival prints until it is through with them."""
        self._commands += 1
        done = f"done-{self._commands}"
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(f'{commands}\n(format t "\\n{done}\\n")(fflush nil)\n'.encode())
            self._process.stdin.flush()
        except OSError as error:
            raise FestivalGone(f"its pipe is closed, status {self._process.poll()}") from error
        answer: list[str] = []
        for line in self._process.stdout:
            text = line.decode("utf-8", "replace").strip()
            if text == done:
                return " ".join(answer)
            answer.append(text)
        raise FestivalGone(" ".join(answer)[-300:] or f"status {self._process.wait()}")


def _failed(answer: str) -> ProviderError:
    return ProviderError("Festival could not say it: {answer}", code="festival_failed", answer=answer.strip()[:300] or "no sound")
