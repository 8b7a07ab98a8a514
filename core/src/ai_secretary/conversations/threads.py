"""Which conversation a stateless client goes on with: it sends the whole history each time, so the history is the name."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

REMEMBERED = 20_000


@dataclass(slots=True, frozen=True)
class Thread:
    conversation_id: str
    head_id: str


class Fingerprint:
    """Of a list of messages, growing message by message. Different owners never meet."""

    __slots__ = ("_hash", "length")

    def __init__(self, owner_id: str | None, messages: Iterable[tuple[str, str]] = ()) -> None:
        self._hash = hashlib.blake2b((owner_id or "").encode(), digest_size=16)
        self.length = 0
        for role, content in messages:
            self.add(role, content)

    def add(self, role: str, content: str) -> None:
        data = content.encode("utf-8", "surrogatepass")
        self._hash.update(b"\0%b\0%d\0" % (role.encode("utf-8", "surrogatepass"), len(data)))
        self._hash.update(data)
        self.length += 1

    def digest(self) -> bytes:
        return self._hash.digest()


class Threads:
    """A bounded memory; what it forgot simply becomes a new conversation. Safe to use from several threads."""

    def __init__(self, limit: int = REMEMBERED) -> None:
        self._limit = limit
        self._known: OrderedDict[bytes, Thread] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, before: Fingerprint) -> Thread | None:
        """The thread whose messages are exactly these; None also for an empty history."""
        if not before.length:
            return None
        with self._lock:
            return self._known.get(before.digest())

    def remember(self, after: Fingerprint, thread: Thread) -> None:
        """After an exchange: the history, the new message and the reply."""
        with self._lock:
            self._known[after.digest()] = thread
            self._known.move_to_end(after.digest())
            while len(self._known) > self._limit:
                self._known.popitem(last=False)

    def forget_conversation(self, conversation_id: str) -> None:
        """The conversation is gone: do not append to it again."""
        with self._lock:
            for key in [key for key, thread in self._known.items() if thread.conversation_id == conversation_id]:
                del self._known[key]
