"""The audio endpoints over the real rooms, with the real gateway in front, and engines of the tests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from ai_secretary.access import Principal
from ai_secretary.api import legacy, stt, tts, voices
from ai_secretary.api.problems import install_problems, openai_error_body
from ai_secretary.api.security import authorize
from ai_secretary.api.v1 import audio
from ai_secretary.api.v1.failures import for_client
from ai_secretary.api.v1.speech import speech
from ai_secretary.app import Application
from ai_secretary.config import load_settings
from ai_secretary.errors import SecretaryError
from ai_secretary.storage import Database
from ai_secretary.voice.normalization import warm_up

from ..voice.engines import EchoRecognizer, RecognizerSource, ToneVoice, VoiceSource  # noqa: TID252 - test packages have no absolute name

KEY = "test-key-for-audio-0001"


class _Server(uvicorn.Server):
    """Leaves the signals of the test run alone."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass
class House:
    application: Application
    russian: ToneVoice
    english: ToneVoice
    recognizer: EchoRecognizer
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def headers(self, key: str = KEY) -> dict[str, str]:
        return {"Authorization": f"Bearer {key}"}


@pytest.fixture
async def house(tmp_path: Path, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    settings = load_settings(
        data_dir=tmp_path / "data", database_url=sqlite_database.url, api_key=KEY, admin_password="admin-password-1"
    )
    application = Application(settings)
    await application.preferences.load()
    application.journal.start()
    await application.access.load()
    await application.access.bootstrap(settings)
    await application.personas.load()
    await application.voice.load()
    await warm_up()
    built = House(application, ToneVoice("tone/anna", ("ru",)), ToneVoice("tone/john", ("en",)), EchoRecognizer("ear/base", None))
    application.registries.add_synthesizer_source("test", VoiceSource("tone", [built.russian, built.english]))
    application.registries.add_recognizer_source("test", RecognizerSource("ear", [built.recognizer]))
    yield built
    await application.voice.close()
    await application.journal.stop()
    await application.database.dispose()


@pytest.fixture
async def server(house: House) -> AsyncIterator[House]:
    """A real uvicorn on a port of its own: streaming, disconnects and sockets behave as they do for users."""
    app = FastAPI()
    app.state.secretary = house.application
    install_problems(app)
    for module in (tts, voices, stt, legacy, audio):
        app.include_router(module.build_router(house.application))

    async def front(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/v1/audio/speech":
            try:
                principal: Principal = authorize(house.application.access, scope, "v1:audio")
            except SecretaryError as error:
                status, headers, body = openai_error_body(for_client(error))
                await send({"type": "http.response.start", "status": status, "headers": headers})
                await send({"type": "http.response.body", "body": body})
                return
            await speech(scope, receive, send, house.application, principal)
        else:
            await app(scope, receive, send)

    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    runner = _Server(uvicorn.Config(front, log_level="warning", lifespan="off", timeout_graceful_shutdown=1))
    task = asyncio.ensure_future(runner.serve(sockets=[listener]))
    while not runner.started:
        await asyncio.sleep(0.01)
    house.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield house
    runner.should_exit = True
    await task
