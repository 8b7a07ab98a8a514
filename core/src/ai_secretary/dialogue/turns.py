"""From what a channel hands over to a turn: the branch is read, the person's message gets its place in the tree."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ai_secretary.channels import Capabilities
from ai_secretary.conversations import Conversation, ConversationRecord, Conversations, Message, Visibility
from ai_secretary.dialogue.language import detect
from ai_secretary.dialogue.parameters import merge, parse_sampling
from ai_secretary.dialogue.turn import Overrides, Person, Turn
from ai_secretary.errors import InvalidInput
from ai_secretary.ids import new_id
from ai_secretary.llm import ChatMessage

HISTORY_MESSAGES = 1000
"""Messages of a branch that are read for a turn; the context window decides how many of them the model sees."""
TEXT_LENGTH = 200_000
"""Characters of one utterance."""


@dataclass(slots=True)
class OpenTurn:
    """A turn that is ready to be answered: the person's message has its id, nothing is stored yet."""

    turn: Turn
    user_message: Message
    is_new_message: bool
    """False when a reply to an existing message is asked for again."""
    conversation: ConversationRecord | None
    """Given when the conversation begins with this turn."""
    owner_id: str | None
    assistant_id: str = field(default_factory=lambda: new_id("msg"))
    started: float = field(default_factory=time.perf_counter)

    @property
    def conversation_id(self) -> str:
        return self.turn.conversation_id


class TurnOpener:
    """Reads; stores nothing."""

    def __init__(self, conversations: Conversations, *, timezone: str, language: str) -> None:
        self._conversations = conversations
        self._timezone = timezone
        self._language = language

    async def open(
        self,
        conversation_id: str | None,
        text: str,
        *,
        person: Person,
        source: str,
        new_conversation_id: str | None = None,
        owner_id: str | None = None,
        viewer: Visibility | None = None,
        source_id: str | None = None,
        overrides: Overrides | None = None,
        capabilities: Capabilities | None = None,
        parent_id: str | Literal["head"] | None = "head",
        edit_of: str | None = None,
        regenerate: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> OpenTurn:
        """Read the branch and build the turn. Raises `NotFound`, `InvalidInput`."""
        overrides = overrides or Overrides()
        viewer = viewer or Visibility.everything()
        if len(text) > TEXT_LENGTH:
            raise InvalidInput("A message has at most {most} characters", code="too_long", field="content", most=TEXT_LENGTH)
        if regenerate is None and not text.strip():
            raise InvalidInput("The message is empty", code="empty_message", field="content")
        if conversation_id is None:
            if edit_of or regenerate:
                raise InvalidInput(
                    "Only a message of an existing conversation can be edited or answered again", field="message_id"
                )
            new_id_ = new_conversation_id or new_id("conv")
            turn = self._turn(new_id_, text, person, source, (), overrides, capabilities, metadata, None)
            message = Message(new_id("msg"), new_id_, None, "user", text)
            return OpenTurn(turn, message, True, begun(new_id_, person, source, source_id, owner_id, overrides), owner_id)
        conversation = await self._conversations.get(viewer, conversation_id)
        message, is_new = await self._place(viewer, conversation, text, parent_id, edit_of, regenerate)
        branch: list[Message] = []
        if message.parent_id is not None:
            branch = await self._conversations.branch_to(viewer, conversation_id, message.parent_id, limit=HISTORY_MESSAGES)
        turn = self._turn(
            conversation_id,
            message.content,
            person,
            source,
            history_of(branch),
            _settled(overrides, conversation),
            capabilities,
            metadata,
            _last_language(branch),
        )
        return OpenTurn(turn, message, is_new, None, owner_id if owner_id is not None else conversation.owner_id)

    async def _place(
        self,
        viewer: Visibility,
        conversation: Conversation,
        text: str,
        parent_id: str | None,
        edit_of: str | None,
        regenerate: str | None,
    ) -> tuple[Message, bool]:
        """The person's message of this turn, and whether it is new."""
        if regenerate is not None:
            chosen = await self._conversations.message(viewer, conversation.id, regenerate)
            if chosen.role == "assistant":
                if chosen.parent_id is None:
                    raise InvalidInput("There is no question before this reply", code="nothing_to_answer", field="message_id")
                chosen = await self._conversations.message(viewer, conversation.id, chosen.parent_id)
            if chosen.role != "user":
                raise InvalidInput(
                    "Only a reply to a person's message can be made again", code="nothing_to_answer", field="message_id"
                )
            return chosen, False
        if edit_of is not None:
            old = await self._conversations.message(viewer, conversation.id, edit_of)
            if old.role != "user":
                raise InvalidInput("Only a person's message can be reworded", code="not_editable", field="message_id")
            return Message(new_id("msg"), conversation.id, old.parent_id, "user", text), True
        if parent_id == "head":
            return Message(new_id("msg"), conversation.id, conversation.head_id, "user", text), True
        if parent_id is not None:
            await self._conversations.message(viewer, conversation.id, parent_id)
        return Message(new_id("msg"), conversation.id, parent_id, "user", text), True

    def _turn(
        self,
        conversation_id: str,
        text: str,
        person: Person,
        source: str,
        history: tuple[ChatMessage, ...],
        overrides: Overrides,
        capabilities: Capabilities | None,
        metadata: Mapping[str, Any] | None,
        prior: str | None,
    ) -> Turn:
        return Turn(
            conversation_id=conversation_id,
            text=text,
            source=source,
            person=person,
            capabilities=capabilities or Capabilities(),
            history=history,
            overrides=overrides,
            language=detect(text, prior or person.language or self._language),
            timezone=person.timezone or self._timezone,
            metadata=metadata or {},
        )


def begun(
    conversation_id: str, person: Person, source: str, source_id: str | None, owner_id: str | None, overrides: Overrides
) -> ConversationRecord:
    """The record of a conversation that begins with this turn."""
    return ConversationRecord(
        conversation_id,
        source,
        source_id=source_id,
        owner_id=owner_id,
        person_id=person.id,
        person_name=person.name,
        persona=overrides.persona,
    )


def history_of(branch: Sequence[Message]) -> tuple[ChatMessage, ...]:
    """What a model should read of a branch: a question that was never answered is left out together with its failure."""
    found: list[ChatMessage] = []
    for message in branch:
        if message.role == "assistant" and not message.content:
            while found and found[-1].role == "user":
                found.pop()
            continue
        if message.role in ("user", "assistant"):
            found.append(ChatMessage("user" if message.role == "user" else "assistant", message.content))
    return tuple(found)


def _last_language(branch: Sequence[Message]) -> str | None:
    for message in reversed(branch):
        if message.role == "user":
            return detect(message.content, None)
    return None


def _settled(overrides: Overrides, conversation: Conversation) -> Overrides:
    """The turn's wishes, then the conversation's."""
    stored = parse_sampling(conversation.sampling).to_sampling() if conversation.sampling else None
    sampling = merge(overrides.sampling, stored) if overrides.sampling or stored else None
    return replace(
        overrides,
        model=overrides.model or conversation.model,
        persona=overrides.persona or conversation.persona,
        system_prompt=overrides.system_prompt if overrides.system_prompt is not None else conversation.system_prompt,
        sampling=sampling,
    )
