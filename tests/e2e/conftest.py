"""The product as a user starts it: the real command in a process of its own, with its real models, in an empty folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from ai_secretary.testing.services import free_port

PASSWORD = "correct horse battery"
API_KEY = "sk-test-0123456789"


@dataclass
class Server:
    """A running server; `stop` and `start` again to see what survives."""

    folder: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text(errors="replace")

    def start(self) -> float:
        """Returns the seconds until `/health` answered."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SECRETARY_")},
            "SECRETARY_PORT": str(self.port),
            "SECRETARY_DATA_DIR": str(self.folder / "data"),
            "SECRETARY_ADMIN_PASSWORD": PASSWORD,
            "SECRETARY_API_KEY": API_KEY,
            "HF_HOME": str(self.folder / "hf"),
            **self.environment,
        }
        started = time.monotonic()
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).parent / "ai-secretary"), "serve"],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        while time.monotonic() - started < 60:
            assert self.process.poll() is None, self.log
            try:
                if httpx.get(f"{self.url}/health", timeout=2).status_code == 200:
                    return time.monotonic() - started
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not answer within a minute:\n{self.log}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End the process; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(how)
        status = self.process.wait(30)
        self.process = None
        return status

    def client(self) -> httpx.Client:
        """A client with the API key."""
        return httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {API_KEY}"}, timeout=120)

    def admin(self) -> httpx.Client:
        """A client that has logged in as admin."""
        reply = httpx.post(f"{self.url}/admin/auth/login", json={"username": "admin", "password": PASSWORD}, timeout=30)
        assert reply.status_code == 200, reply.text
        return httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {reply.json()['access_token']}"},
            timeout=120,
            follow_redirects=False,
        )

    def wait_for(self, what: str, ready: object, seconds: float = 120) -> None:
        """Until `ready()` is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if ready():  # type: ignore[operator]
                return
            time.sleep(0.25)
        raise AssertionError(f"{what}: not within {seconds:g} s\n{self.log[-4000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the session."""
    server = Server(tmp_path_factory.mktemp("server"), free_port())
    server.start()
    yield server
    if server.process is not None:
        server.stop()


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, not started yet."""
    server = Server(tmp_path, free_port())
    yield server
    if server.process is not None:
        server.stop(signal.SIGKILL)
