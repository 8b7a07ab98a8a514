"""The worker process: `python -m ai_secretary_llm_local.engine`, one model, llama.cpp's own OpenAI-compatible server.

It reads one line of JSON from its standard input (settings and the access key, which so never shows in the process list), writes
one line of JSON to its standard output (`{"address": …}` or `{"error": …}`), and lives until its standard input closes, that is
until the server that started it stops it or dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from typing import BinaryIO

FAILED = 3
"""Exit status after a model could not be loaded; a restart would not help."""

_PR_SET_PDEATHSIG = 1


@dataclass(slots=True, frozen=True)
class EngineSettings:
    """What a worker needs to know."""

    path: str
    alias: str
    """Name of the model in answers."""
    api_key: str
    context: int
    """Tokens per request."""
    parallel: int
    threads: int
    thinking: bool = False
    embedding: bool = False
    prompt_cache_mb: int = 0
    temperature: float | None = None
    """Where a request names none; None: the file's own, else llama.cpp's."""


def _follow_parent(parent: int) -> None:
    """Die with the parent, also when it is killed while this process is inside a long native call (Linux)."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(0)


def _serve(settings: EngineSettings) -> tuple[object, str]:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings.path
    params.model_alias = {settings.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [settings.api_key]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_metrics = True
    params.n_parallel = settings.parallel
    params.n_ctx = settings.context * settings.parallel
    params.cpuparams.n_threads = settings.threads
    params.cpuparams_batch.n_threads = settings.threads
    params.cache_ram_mib = settings.prompt_cache_mb
    params.enable_reasoning = -1 if settings.thinking else 0
    params.embedding = settings.embedding
    params.verbosity = 1
    if settings.temperature is not None:
        params.sampling.temp = settings.temperature
    server = xllamacpp.Server(params)
    return server, str(server.listening_address)


def main() -> int:
    first = sys.stdin.buffer.readline()
    if not first:
        return 0
    order = json.loads(first)
    _follow_parent(int(order["parent"]))
    # The native library may write to standard output: keep the reply's channel to ourselves.
    reply = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    try:
        # Kept in a variable for as long as this function runs: the server stops when it is collected.
        server, address = _serve(EngineSettings(**order["settings"]))
    except Exception as error:
        # The border of the process: whatever goes wrong here is told to the other side, which shows it.
        _say(reply, {"error": f"{error}" or type(error).__name__})
        return FAILED
    _say(reply, {"address": address})
    with contextlib.suppress(KeyboardInterrupt):
        while server is not None and sys.stdin.buffer.read(4096):
            continue
    # No interpreter shutdown and no orderly end of the server: its threads may be in the middle of an answer nobody waits for.
    sys.stderr.flush()
    os._exit(0)


def _say(reply: BinaryIO, message: dict[str, str]) -> None:
    with contextlib.suppress(BrokenPipeError):
        reply.write(json.dumps(message).encode() + b"\n")


def order_line(settings: EngineSettings, parent: int) -> bytes:
    """The line that starts a worker."""
    return json.dumps({"settings": asdict(settings), "parent": parent}).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
