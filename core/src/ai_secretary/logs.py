"""Structured logs: one line per event, the request's id in each, secrets in none. Nothing is configured at import."""

from __future__ import annotations

import asyncio
import atexit
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TextIO

import msgspec
import structlog

from ai_secretary.context import request_context

if TYPE_CHECKING:
    from ai_secretary.config import Settings

MASK = "***"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = {
    *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "key", "apikey", "authorization", "bearer"),
    *("cookie", "cookies", "credential", "credentials", "signature", "otp", "pin"),
}
_HARMLESS_WORDS = {
    *("id", "ids", "prefix", "name", "names", "count", "type", "limit", "kind", "hint", "state", "used", "month", "left"),
    *("monthly", "max"),
}
"""A name that ends in one of these tells about a secret (`key_id`, `token_count`), it does not hold one."""

_secrets: set[str] = set()
_pattern: re.Pattern[str] | None = None
_SHORTEST_SECRET = 6


def mask_secret(value: str | None) -> None:
    """From now on, replace this value wherever it appears in a log line, an audit row or an error body."""
    global _pattern
    if not value or len(value) < _SHORTEST_SECRET or value in _secrets:
        return
    _secrets.add(value)
    # The longest first, so that a secret that begins like another is replaced whole.
    _pattern = re.compile("|".join(re.escape(secret) for secret in sorted(_secrets, key=len, reverse=True)))


def unmask_secret(value: str) -> None:
    """Forget a value that is no secret any more (its key was deleted, a test is over)."""
    global _pattern
    _secrets.discard(value)
    _pattern = re.compile("|".join(re.escape(secret) for secret in sorted(_secrets, key=len, reverse=True))) if _secrets else None


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret: `password`, `botToken`, `X-API-Key`; but not `key_id` or `max_tokens`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return bool(words) and words[-1] not in _HARMLESS_WORDS and not _SECRET_WORDS.isdisjoint(words)


def redact_text(text: str) -> str:
    """The text without registered secrets."""
    return text if _pattern is None else _pattern.sub(MASK, text)


def redact(value: Any, *, name: str = "") -> Any:
    """A JSON-like copy without secrets: by the field's name, and by registered values. Numbers, booleans and None stay."""
    if isinstance(value, bool | int | float) or value is None:
        return value
    if name and is_secret_name(name):
        return MASK if value not in ("", b"", [], {}, ()) else value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {str(key): redact(item, name=str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return redact_text(str(value))


# -- processors --------------------------------------------------------------------------------------------------------

EventDict = MutableMapping[str, Any]
_PLAIN = ("event", "level", "timestamp", "logger", "request_id", "exc_info", "stack_info", "_record", "_from_structlog")


def add_request_id(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The id of the request that is being served, read when something is logged: a request that logs nothing pays nothing."""
    context = request_context.get()
    if context is not None:
        event.setdefault("request_id", context.request_id)
    return event


def mask_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Runs after exceptions were rendered to text, so that tracebacks are covered too."""
    for name, value in event.items():
        if type(value) is str:
            if name not in _PLAIN and is_secret_name(name):
                event[name] = MASK
            elif _pattern is not None:
                event[name] = _pattern.sub(MASK, value)
        elif value is not None and name not in _PLAIN and not isinstance(value, bool | int | float):
            event[name] = redact(value, name=name)
    return event


def _json(_logger: Any, _method: str, event: EventDict) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()


# -- the access log ----------------------------------------------------------------------------------------------------


_LONGEST_BATCH = 500


class RequestLine(msgspec.Struct):
    """One answered request, as it stands in the log."""

    event: str
    level: str
    timestamp: str
    method: str
    path: str
    status: int
    ms: float
    address: str
    caller: str | None
    request_id: str


class RequestLines:
    """Writes request lines in batches, ten times a second.

    Through the processors, a line would cost as much as the request's authentication, limits and headers together. Other lines do
    not wait for the batch, so go by the timestamps, not by the order.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: list[bytes] = []
        self._encode = msgspec.json.Encoder().encode
        atexit.register(self.flush)

    def write(
        self, level: str, method: str, path: str, status: int, ms: float, address: str, caller: str | None, request_id: str
    ) -> None:
        """Call on the event loop."""
        if not self._waiting:
            asyncio.get_running_loop().call_later(0.1, self.flush)
        moment = datetime.now(UTC).isoformat()[:26] + "Z"
        line = RequestLine("request", level, moment, method, redact_text(path), status, ms, address, caller, request_id)
        self._waiting.append(self._encode(line))
        if len(self._waiting) >= _LONGEST_BATCH:
            self.flush()

    def flush(self) -> None:
        lines, self._waiting = self._waiting, []
        if lines and not self._stream.closed:
            self._stream.write(b"\n".join(lines).decode() + "\n")
            self._stream.flush()


_request_lines: RequestLines | None = None


def request_lines() -> RequestLines | None:
    """The batch writer of request lines, where logs are JSON lines at level info; else None: log them like anything else."""
    return _request_lines


def forget_request_lines() -> None:
    """Back to before `configure_logging` (tests)."""
    global _request_lines
    if _request_lines is not None:
        _request_lines.flush()
        atexit.unregister(_request_lines.flush)
    _request_lines = None


def _wants_json(log_format: str, stream: TextIO) -> bool:
    return log_format == "json" or (log_format == "auto" and not stream.isatty())


def configure_logging(settings: Settings, *, stream: TextIO | None = None) -> None:
    """Send structlog, the standard library and uvicorn to one stream (standard error) in one format. Call once at start-up."""
    stream = stream or sys.stderr
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    as_json = _wants_json(settings.log_format, stream)

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        add_request_id,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    # A traceback with the values of local variables would show secrets: plain tracebacks only.
    finish: list[Any] = [structlog.processors.format_exc_info, mask_event]
    renderer: Any = _json if as_json else structlog.dev.ConsoleRenderer(colors=stream.isatty())

    structlog.configure(
        processors=[*shared, *finish, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )

    global _request_lines
    forget_request_lines()
    if as_json and level == logging.INFO:
        _request_lines = RequestLines(stream)

    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *finish, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate = True
    # The HTTP layer writes the access log, with the route, the caller and the duration.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    for name in ("httpx", "httpcore", "asyncio", "aiosqlite", "multipart", "python_multipart", "pymorphy3"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
