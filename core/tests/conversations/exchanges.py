"""Small makers for tests of conversations."""

from __future__ import annotations

from ai_secretary.conversations import ConversationRecord, Exchange, MessageRecord, MessageSource, UsageRecord, Visibility
from ai_secretary.ids import new_id
from ai_secretary.llm import Usage

EVERYTHING = Visibility.everything()


def opening(
    text: str, reply: str = "Хорошо", *, source: str = "admin", owner_id: str | None = None, person_name: str = ""
) -> Exchange:
    """The first exchange of a new conversation."""
    conversation_id = new_id("conv")
    user = MessageRecord(conversation_id, None, "user", text)
    assistant = MessageRecord(
        conversation_id, user.id, "assistant", reply, source=MessageSource("model", "Test", "test/m"), usage=Usage(5, 7)
    )
    return Exchange(
        conversation_id,
        (user, assistant),
        conversation=ConversationRecord(conversation_id, source, owner_id=owner_id, person_name=person_name),
        usage=(UsageRecord("llm", actor_id=owner_id, model="test/m", prompt_tokens=5, completion_tokens=7),),
        title=text[:50],
    )


def following(before: Exchange, text: str, reply: str = "Дальше") -> Exchange:
    """The next exchange below the last message of `before`."""
    user = MessageRecord(before.conversation_id, before.messages[-1].id, "user", text)
    return Exchange(
        before.conversation_id, (user, MessageRecord(before.conversation_id, user.id, "assistant", reply)), title=text[:50]
    )
