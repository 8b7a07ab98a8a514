"""A stage of the pipeline: one concern of answering (consent, FAQ, quota, the model)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final as Constant
from typing import Protocol

from ai_secretary.dialogue.events import ReplyEvent
from ai_secretary.dialogue.turn import Turn

Next = Callable[[Turn], Awaitable[AsyncIterator[ReplyEvent]]]


class Stage(Protocol):
    """Await to decide, then return a stream: your own, the next one's as it is, or the next one's wrapped.

    A stage that is not concerned returns `await proceed(turn)` itself, so it costs nothing per event.
    """

    async def handle(self, turn: Turn, proceed: Next) -> AsyncIterator[ReplyEvent]: ...


# Orders of the house; a plugin's stage goes between them.
CONSENT: Constant = 100
TAKEOVER: Constant = 150
COMMANDS: Constant = 200
FLOWS: Constant = 300
FAQ: Constant = 400
QUOTA: Constant = 500
KNOWLEDGE: Constant = 600
MODEL: Constant = 1000
