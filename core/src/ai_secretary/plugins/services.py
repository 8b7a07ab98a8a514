"""The core's services as plugins and pages see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ai_secretary.access import Access
    from ai_secretary.conversations import Conversations
    from ai_secretary.dialogue.service import Dialogue
    from ai_secretary.voice import Voice


@dataclass(slots=True)
class CoreServices:
    """Filled by the composition root before the first plugin is set up."""

    access: Access
    conversations: Conversations
    dialogue: Dialogue
    voice: Voice
