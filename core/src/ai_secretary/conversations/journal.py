"""The one write path of the hot loop: a bounded queue, one writer thread, one transaction per batch.

Whoever records an exchange waits for the transaction that holds it, so what was answered is stored; under load many exchanges
share one transaction, which makes this an order of magnitude cheaper than a session per request.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import structlog
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError

from ai_secretary.audit.event import AuditEvent
from ai_secretary.conversations import statements
from ai_secretary.conversations.ddl import CATCH_UP_ROWS, catch_up
from ai_secretary.conversations.records import Exchange, RawExchange, UsageRecord
from ai_secretary.conversations.threads import Threads
from ai_secretary.conversations.wire import to_exchange
from ai_secretary.errors import Conflict, SecretaryError, Unavailable
from ai_secretary.storage import Database

log = structlog.get_logger(__name__)

BATCH = 1000
"""Entries that one transaction takes at most."""
QUEUE = 10_000
"""Entries that may wait; further ones are refused with 503."""
BEHIND_S = 0.005
"""How long a write-behind batch gathers."""
RETRY_FOR_S = 20.0
"""How long a locked or absent database is tried again before the callers are told."""
IDLE_S = 1.0

Mode = Literal["durable", "fsync", "behind"]


class AuditChain(Protocol):
    """Appends completed events inside the caller's transaction (`audit.ChainWriter`)."""

    def append(self, connection: Connection, events: Sequence[AuditEvent]) -> None: ...


class JournalError(SecretaryError):
    """An exchange could not be stored."""

    status = 500
    default_code = "journal_failed"


@dataclass(slots=True)
class JournalStatistics:
    batches: int = 0
    entries: int = 0
    failed: int = 0
    """Entries that could not be stored and were reported to their callers (or logged)."""
    refused: int = 0
    """Entries that found the queue full."""
    retries: int = 0
    last_error: str = ""


@dataclass(slots=True)
class _Entry:
    item: Exchange | RawExchange | UsageRecord | AuditEvent | None
    """None: only wants to know when everything before it is done."""
    loop: asyncio.AbstractEventLoop | None = None
    future: asyncio.Future[None] | None = None
    exchange: Exchange | None = None
    """The parsed form of a raw exchange: parsed once, also when a batch is tried again."""


@dataclass(slots=True)
class _Outcome:
    done: list[_Entry] = field(default_factory=list)
    failed: list[tuple[_Entry, BaseException]] = field(default_factory=list)


class Journal:
    """Also an `AuditSink`: `submit` takes plain audit events, without waiting and without failing.

    Raises from `record`: `Unavailable` (`journal_full`, `journal_stopped`, `database_unavailable`), `Conflict`
    (`conversation_changed`: the message that was answered is gone), `JournalError`.
    """

    def __init__(
        self,
        database: Database,
        *,
        chain: AuditChain | None = None,
        mode: Mode = "durable",
        queue_limit: int = QUEUE,
        retry_for_s: float = RETRY_FOR_S,
    ) -> None:
        self._database = database
        self._chain = chain
        self._mode: Mode = mode
        self._limit = queue_limit
        self._retry_for_s = retry_for_s
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._ending = False
        self._unindexed = False
        self._statements: statements.Statements | None = None
        self.threads = Threads()
        self.statistics = JournalStatistics()
        self.on_usage: list[Callable[[UsageRecord], None]] = []
        """Called on the event loop that started the journal, after usage was stored (quotas count along)."""
        self._home: asyncio.AbstractEventLoop | None = None

    # ---- for callers, on the event loop ----

    @property
    def waiting(self) -> int:
        """Entries in the queue."""
        return self._queue.qsize()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self) -> None:
        """Start the writer thread. Entries that were recorded before wait for it. Call it on the event loop."""
        if self.running:
            return
        self._home = asyncio.get_running_loop()
        self._stopping = self._ending = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    async def stop(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - a bound, not a cancellation scope
        """Refuse new exchanges, store all that wait, and end the thread."""
        self._stopping = True
        thread, self._thread = self._thread, None
        if thread is None:
            return
        self._queue.put(None)
        await asyncio.to_thread(thread.join, timeout)
        if thread.is_alive():
            log.error("journal_stop_timed_out", waiting=self.waiting)

    async def record(self, exchange: Exchange | RawExchange | UsageRecord) -> None:
        """Store an exchange. Returns when it is committed (mode `behind`: when it is queued)."""
        if self._stopping:
            raise Unavailable("The server is stopping and takes no new messages", code="journal_stopped", retry_after=5)
        if self._queue.qsize() >= self._limit:
            self.statistics.refused += 1
            raise Unavailable(
                "Too many messages are waiting to be stored", code="journal_full", hint="Try again in a second.", retry_after=1
            )
        if not isinstance(exchange, UsageRecord) and exchange.audit:
            exchange.audit = tuple(audited.complete() for audited in exchange.audit)
        if self._mode == "behind":
            self._queue.put(_Entry(exchange))
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Entry(exchange, loop, future))
        await future

    def submit(self, event: AuditEvent) -> None:
        """Store a completed audit event soon. Taken even when exchanges are refused: an audit event is never dropped."""
        self._queue.put(_Entry(event))

    async def flush(self) -> None:
        """Wait until everything that was recorded so far is stored or has failed."""
        if not self.running:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._queue.put(_Entry(None, loop, future))
        await future

    # ---- the writer thread ----

    def _run(self) -> None:
        engine = self._engine()
        try:
            while True:
                batch = self._gather(engine)
                if batch is None:
                    return
                try:
                    outcome = self._store(engine, batch)
                except Exception as error:  # a defect here must not leave callers waiting for ever
                    log.exception("journal_batch_failed", entries=len(batch))
                    outcome = _Outcome(failed=[(entry, error) for entry in batch])
                self._settle(outcome)
        finally:
            engine.dispose()

    def _engine(self) -> Engine:
        engine = self._database.blocking_engine(full_sync=self._mode == "fsync")
        if self._database.is_sqlite:
            # The write lock is taken at once: a transaction that reads first and writes later can fail without waiting.
            @event.listens_for(engine, "connect")
            def _manual(connection: Any, _record: Any) -> None:
                connection.isolation_level = None

            @event.listens_for(engine, "begin")
            def _immediate(connection: Connection) -> None:
                connection.exec_driver_sql("BEGIN IMMEDIATE")

        return engine

    def _gather(self, engine: Engine) -> list[_Entry] | None:
        """The next batch; None when the journal is to end and nothing waits any more."""
        first: _Entry | None = None
        if not self._ending:
            try:
                first = self._queue.get(timeout=IDLE_S) if self._unindexed else self._queue.get()
            except queue.Empty:
                self._catch_up(engine)
                return []
            self._ending = first is None
        if first is None:
            first = self._next()
            if first is None:
                return None
        batch = [first]
        if self._mode == "behind" and not self._stopping:
            time.sleep(BEHIND_S)
        while len(batch) < BATCH and (entry := self._next()) is not None:
            batch.append(entry)
        return batch

    def _next(self) -> _Entry | None:
        """What waits, without waiting for more. The end mark is remembered and passed over."""
        with contextlib.suppress(queue.Empty):
            while True:
                entry = self._queue.get_nowait()
                if entry is not None:
                    return entry
                self._ending = True
        return None

    def _catch_up(self, engine: Engine) -> None:
        """Nothing to do: index messages for search."""
        self._unindexed = False
        with contextlib.suppress(DBAPIError), engine.begin() as connection:  # somebody else writes: next time
            self._unindexed = connection.execute(catch_up()).rowcount == CATCH_UP_ROWS

    def _store(self, engine: Engine, batch: list[_Entry]) -> _Outcome:
        outcome = _Outcome()
        ready: list[_Entry] = []
        for entry in batch:
            try:
                if isinstance(entry.item, RawExchange):
                    entry.exchange = to_exchange(entry.item, self.threads)
                elif isinstance(entry.item, Exchange):
                    entry.exchange = entry.item
            except Exception as error:
                outcome.failed.append((entry, error))
            else:
                ready.append(entry)
        if ready:
            self._commit(engine, ready, outcome, time.monotonic() + self._retry_for_s)
        return outcome

    def _commit(self, engine: Engine, entries: list[_Entry], outcome: _Outcome, deadline: float) -> None:
        """One transaction; if something in it cannot be stored, halves, until the culprit is alone."""
        delay = 0.05
        while True:
            try:
                with engine.begin() as connection:
                    self._write(connection, entries)
            except DBAPIError as error:
                if _may_pass(error) and time.monotonic() < deadline and not (self._stopping and delay > 1):
                    self.statistics.retries += 1
                    time.sleep(delay)
                    delay = min(delay * 2, 2.0)
                    continue
                self._split(engine, entries, outcome, error, deadline)
            except Exception as error:
                self._split(engine, entries, outcome, error, deadline)
            else:
                self.statistics.batches += 1
                outcome.done.extend(entries)
            return

    def _split(self, engine: Engine, entries: list[_Entry], outcome: _Outcome, error: Exception, deadline: float) -> None:
        if len(entries) == 1 and isinstance(error, IntegrityError) and self._begin_anew(entries[0]):
            self._commit(engine, entries, outcome, deadline)
            return
        if len(entries) == 1 or (isinstance(error, DBAPIError) and _may_pass(error)):
            # Alone at fault; or the database is away, and trying each one would only take longer.
            outcome.failed.extend((entry, error) for entry in entries)
            return
        middle = len(entries) // 2
        self._commit(engine, entries[:middle], outcome, deadline)
        self._commit(engine, entries[middle:], outcome, deadline)

    def _begin_anew(self, entry: _Entry) -> bool:
        """The conversation that a stateless client went on with was deleted: its request begins another one."""
        if not isinstance(entry.item, RawExchange) or entry.exchange is None or entry.exchange.conversation is not None:
            return False
        self.threads.forget_conversation(entry.exchange.conversation_id)
        entry.exchange = to_exchange(entry.item, self.threads)
        return entry.exchange.conversation is not None

    def _write(self, connection: Connection, entries: list[_Entry]) -> None:
        rows = statements.Rows()
        audit: list[AuditEvent] = []
        for entry in entries:
            item = entry.item
            if entry.exchange is not None:
                rows.add(entry.exchange)
                audit.extend(entry.exchange.audit)
            elif isinstance(item, UsageRecord):
                rows.add_usage(item)
            elif isinstance(item, AuditEvent):
                audit.append(item)
        if self._statements is None:
            self._statements = statements.Statements(connection.dialect)
        rows.write(connection, self._statements)
        if audit and self._chain is not None:
            self._chain.append(connection, audit)

    def _settle(self, outcome: _Outcome) -> None:
        """Tell the callers, with one wake-up per event loop. Listeners hear of usage before the callers go on."""
        if self.on_usage:
            self._tell_usage(outcome.done)
        self.statistics.entries += sum(1 for entry in outcome.done if entry.item is not None)
        if outcome.done and self._database.is_sqlite:
            self._unindexed = True
        waiting: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[None], SecretaryError | None]]] = defaultdict(list)
        for entry in outcome.done:
            if entry.future is not None and entry.loop is not None:
                waiting[entry.loop].append((entry.future, None))
        for entry, error in outcome.failed:
            self.statistics.failed += 1
            self.statistics.last_error = f"{type(error).__name__}: {error}"[:500]
            if isinstance(error, IntegrityError) and entry.exchange is not None:
                self.threads.forget_conversation(entry.exchange.conversation_id)
            log.error("journal_entry_failed", kind=type(entry.item).__name__, error=type(error).__name__)
            if entry.future is not None and entry.loop is not None:
                waiting[entry.loop].append((entry.future, _explain(error)))
        for loop, futures in waiting.items():
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(_resolve, futures)

    def _tell_usage(self, entries: list[_Entry]) -> None:
        records: list[UsageRecord] = []
        for entry in entries:
            if entry.exchange is not None:
                records.extend(entry.exchange.usage)
            elif isinstance(entry.item, UsageRecord):
                records.append(entry.item)
        if records and self._home is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody counts any more
                self._home.call_soon_threadsafe(self._call_listeners, records)

    def _call_listeners(self, records: list[UsageRecord]) -> None:
        for listener in self.on_usage:
            try:
                for record in records:
                    listener(record)
            except Exception:
                log.exception("usage_listener_failed")


def _resolve(futures: list[tuple[asyncio.Future[None], SecretaryError | None]]) -> None:
    for future, error in futures:
        if future.done():
            continue  # the caller was cancelled; the exchange is stored all the same
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)


def _may_pass(error: DBAPIError) -> bool:
    """A lock, a deadlock or a lost connection: the same transaction may succeed in a moment."""
    if error.connection_invalidated:
        return True
    state = getattr(error.orig, "sqlstate", None)
    if state is not None:
        return state in {"40001", "40P01", "55P03"} or state.startswith(("08", "53", "57"))
    text = str(error.orig).lower()
    return "locked" in text or "busy" in text or "connection" in text


def _explain(error: BaseException) -> SecretaryError:
    if isinstance(error, SecretaryError):
        return error
    if isinstance(error, IntegrityError):
        return Conflict(
            "The conversation was changed meanwhile, so the reply could not be stored in it",
            code="conversation_changed",
            hint="Load the conversation again.",
        )
    if isinstance(error, DBAPIError) and _may_pass(error):
        return Unavailable(
            "The database does not answer", code="database_unavailable", hint="Try again in a moment.", retry_after=2
        )
    return JournalError("The exchange could not be stored", hint="The server's log says why.")
