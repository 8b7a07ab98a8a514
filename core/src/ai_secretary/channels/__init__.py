"""Contracts of channels: where people reach the secretary. Protocols and value types, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True, frozen=True)
class Capabilities:
    """What a channel can render; the dialogue degrades the rest by itself (buttons become a numbered list on the phone)."""

    text: bool = True
    markdown: bool = False
    buttons: bool = False
    media: bool = False
    invoice: bool = False
    speech: bool = False


class Channel(Protocol):
    """One running instance (a bot, a modem, a widget), supervised and restartable."""

    async def run(self) -> None:
        """Serve until cancelled. An exception restarts the instance with back-off and shows in its state."""
        ...


__all__ = ["Capabilities", "Channel"]
