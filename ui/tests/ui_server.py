"""The whole server in this process, on a free port, for tests that use a real browser."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import uvicorn
from pydantic import SecretStr

from ai_secretary.app import Application
from ai_secretary.app.web import build_web
from ai_secretary.config import Settings

PASSWORD = "correct horse battery"
API_KEY = "sk-test-ui-0123456789"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class UiServer:
    """`async with UiServer(folder) as server:` gives a listening server and its application."""

    def __init__(self, folder: Path, plugins: tuple[str, ...] | None = None) -> None:
        self.port = free_port()
        self.settings = Settings(
            port=self.port,
            data_dir=folder,
            admin_password=SecretStr(PASSWORD),
            api_key=SecretStr(API_KEY),
            rate_limit_auth="100/minute",
            timezone="Europe/Moscow",
            plugins=plugins,
        )
        self.application = Application(self.settings)
        self._server: uvicorn.Server
        self._task: asyncio.Task[None]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> UiServer:
        await self.application.open()
        config = uvicorn.Config(build_web(self.application), port=self.port, log_config=None, lifespan="on", ws="auto")
        self._server = uvicorn.Server(config)
        self._task = asyncio.get_running_loop().create_task(self._server.serve())
        while not self._server.started:
            if self._task.done():
                await self._task
            await asyncio.sleep(0.02)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = False
        await self._task
        await self.application.close()
