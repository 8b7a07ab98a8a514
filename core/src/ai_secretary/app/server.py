"""Listen. The application is opened first, so that the server is whole from its first answer on."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import time
from collections.abc import Iterator

import structlog
import uvicorn

from ai_secretary.app.application import Application
from ai_secretary.config import Settings
from ai_secretary.errors import SecretaryError

log = structlog.get_logger(__name__)


def run_server(settings: Settings) -> int:
    """Serve until interrupted; returns the exit status."""
    from ai_secretary.logs import configure_logging

    configure_logging(settings)
    try:
        import uvloop
    except ImportError:  # not on this platform
        runner = asyncio.Runner()
    else:
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
    try:
        with runner:
            return runner.run(_serve(settings))
    except KeyboardInterrupt:
        return 0


class _Server(uvicorn.Server):
    """Tells a person where to go, once it answers."""

    def __init__(self, config: uvicorn.Config, application: Application, started_at: float) -> None:
        super().__init__(config)
        self._application = application
        self._started_at = started_at

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, but the signal is not raised again afterwards: the application has still to be closed."""
        loop = asyncio.get_running_loop()
        signals = (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            sys.stdout.write(_announcement(self._application, time.monotonic() - self._started_at))
            sys.stdout.flush()
            self._application.ready.set()


async def _serve(settings: Settings) -> int:
    from ai_secretary.app.web import build_web

    started_at = time.monotonic()
    if (busy := _port_problem(settings)) is not None:
        sys.stderr.write(busy)
        return 1
    try:
        application = Application(settings)
        await application.open()
    except SecretaryError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}".rstrip() + "\n")
        return 1
    try:
        config = uvicorn.Config(
            build_web(application),
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.shutdown_grace_s),
        )
        server = _Server(config, application, started_at)
        await server.serve()
        return 0 if server.started else 1
    finally:
        await application.close()


def _port_problem(settings: Settings) -> str | None:
    """A taken port is told in words, before anything is loaded."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            return (
                f"Port {settings.port} on {settings.host} cannot be used: {error.strerror}.\n"
                "Stop the other program, or choose another port with SECRETARY_PORT.\n"
            )
    return None


def _announcement(application: Application, seconds: float) -> str:
    settings = application.settings
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    lines = ["", f"AI Secretary is ready after {seconds:.1f} s: http://{host}:{settings.port}/"]
    for credential in application.printed_once:
        what = f"user {credential.name}, password" if credential.kind == "password" else f"API key ({credential.name})"
        lines.append(f"  {what}: {credential.secret}")
    if application.printed_once:
        lines.append("  These are shown once: keep them now.")
    application.printed_once = []
    for record in application.host.list():
        if record.state in ("failed", "incompatible"):
            lines.append(f"  Plugin {record.id} did not start: {record.reason}")
    return "\n".join(lines) + "\n"
