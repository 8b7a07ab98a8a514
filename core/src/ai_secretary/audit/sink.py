"""Stores events from a thread of its own: for processes without a journal (the command line, tests, migrations)."""

from __future__ import annotations

import queue
import threading

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ai_secretary.audit.chain import DEFAULT_CHAIN, ChainWriter
from ai_secretary.audit.event import AuditEvent
from ai_secretary.storage import Database

log = structlog.get_logger(__name__)

_BATCH = 500
_LONGEST_QUEUE = 100_000
_RETRY_S = (0.2, 1.0, 5.0, 15.0)


class ThreadSink:
    """An `AuditSink` with a blocking engine. `close` writes what is queued; a database that is away is waited for."""

    def __init__(self, database: Database, *, chain: str = DEFAULT_CHAIN) -> None:
        self._engine: Engine = database.blocking_engine()
        self._writer = ChainWriter(chain)
        self._queue: queue.SimpleQueue[AuditEvent | threading.Event | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.lost = 0
        """Events that could not be stored; anything but 0 is an alarm."""
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    def submit(self, event: AuditEvent) -> None:
        if self._queue.qsize() >= _LONGEST_QUEUE:
            self.lost += 1
            log.error("audit_event_lost", action=event.action, reason="queue full", lost=self.lost)
            return
        self._queue.put(event)

    def flush(self, timeout: float = 30.0) -> bool:
        """Wait (blocking; at most `timeout` seconds) until everything submitted so far is stored."""
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout)

    def close(self) -> None:
        """Store what is queued and end the thread (blocking)."""
        self._closing.set()
        self._queue.put(None)
        self._thread.join(timeout=30)
        self._engine.dispose()

    def _run(self) -> None:
        ended = False
        while not ended:
            events: list[AuditEvent] = []
            waiting: list[threading.Event] = []
            item = self._queue.get()
            while True:
                if item is None:
                    ended = True
                    break
                if isinstance(item, threading.Event):
                    waiting.append(item)
                else:
                    events.append(item)
                if len(events) >= _BATCH or self._queue.empty():
                    break
                item = self._queue.get()
            self._store(events)
            for done in waiting:
                done.set()

    def _store(self, events: list[AuditEvent]) -> None:
        attempt = 0
        while events:
            try:
                with self._engine.begin() as connection:
                    self._writer.append(connection, events)
                return
            except SQLAlchemyError as error:
                delay = _RETRY_S[min(attempt, len(_RETRY_S) - 1)]
                attempt += 1
                if self._closing.is_set() and attempt > 2:
                    self.lost += len(events)
                    log.error("audit_events_lost", count=len(events), error=type(error).__name__)
                    return
                log.warning("audit_write_failed", attempt=attempt, retry_in_s=delay, error=type(error).__name__)
                self._closing.wait(delay)
