"""Where an API caller's exchange is kept: which conversation, and after which message."""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from ai_secretary.access import Principal
from ai_secretary.conversations import Conversations, Visibility
from ai_secretary.errors import InvalidInput, NotFound
from ai_secretary.storage import now

REMEMBERED = 10_000
_OWN_ID = re.compile(r"^conv_[0-9a-z]{20,40}$")
_MOST_NAME = 200


@dataclass(slots=True, frozen=True)
class Place:
    conversation_id: str
    name: str
    """What the caller calls it: the given id, the user, or the day."""


def place_of(principal: Principal, header: str, metadata: dict[str, Any] | None, user: str | None) -> Place:
    """The conversation that a request belongs to: the one it names, else its user's, else this key's of today.

    A caller's own names are hashed together with the key's id: no two keys ever meet in one conversation.
    """
    named = header.strip()
    if not named and metadata is not None:
        given = metadata.get("conversation_id")
        named = given.strip() if isinstance(given, str) else ""
    if len(named) > _MOST_NAME:
        raise InvalidInput(
            "Invalid value for {param}: at most {most} characters",
            param="conversation_id",
            field="metadata.conversation_id",
            most=_MOST_NAME,
        )
    if named and _OWN_ID.match(named):
        return Place(named, named)
    if named:
        return Place(_hashed(principal, "id", named), named)
    if user:
        return Place(_hashed(principal, "user", user), user[:_MOST_NAME])
    day = now().date().isoformat()
    return Place(_hashed(principal, "day", day), day)


def _hashed(principal: Principal, kind: str, name: str) -> str:
    data = f"{principal.id}\0{kind}\0{name}".encode("utf-8", "replace")
    return f"conv_{hashlib.blake2b(data, digest_size=14).hexdigest()}"


class Heads:
    """The last message of the conversations that are in use, so that a request costs no query."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations
        self._heads: OrderedDict[str, str | None] = OrderedDict()

    async def ensure(self, principal: Principal, place: Place) -> None:
        """Read the head if it is not known. Raises `NotFound` for a named conversation that is not the caller's."""
        key = f"{principal.id}\0{place.conversation_id}"
        if key in self._heads:
            self._heads.move_to_end(key)
            return
        head: str | None = None
        try:
            found = await self._conversations.get(Visibility(principal.id), place.conversation_id)
            head = found.head_id
        except NotFound:
            if place.name == place.conversation_id:
                raise
        self._heads[key] = head
        while len(self._heads) > REMEMBERED:
            self._heads.popitem(last=False)

    def take(self, principal: Principal, place: Place, new_head: str) -> str | None:
        """The message to follow; `new_head` is what the next exchange follows. No wait between the two."""
        key = f"{principal.id}\0{place.conversation_id}"
        before = self._heads.get(key)
        self._heads[key] = new_head
        return before

    def forget(self, principal: Principal, place: Place) -> None:
        """What is remembered is wrong: the conversation was deleted or changed by somebody else."""
        self._heads.pop(f"{principal.id}\0{place.conversation_id}", None)

    def clear(self) -> None:
        self._heads.clear()
