"""Whatever is appended, edited, regenerated, switched or deleted: the shown branch is a real path, and nothing else is lost."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ai_secretary.conversations import ConversationRecord, Conversations, Exchange, Journal, MessageRecord
from ai_secretary.storage import Base, Database
from ai_secretary.storage.migrations import create_schema_for_tests

from .exchanges import EVERYTHING


@dataclass
class Model:
    """The tree as plain dictionaries: the expected behaviour in a few lines."""

    parents: dict[str, str | None] = field(default_factory=dict)
    head: str | None = None

    def add(self, message_id: str, parent: str | None) -> None:
        self.parents[message_id] = parent
        self.head = message_id

    def children(self, parent: str | None) -> list[str]:
        return [message_id for message_id, other in self.parents.items() if other == parent]

    def subtree(self, message_id: str) -> list[str]:
        found = [message_id]
        for child in self.children(message_id):
            found += self.subtree(child)
        return found

    def newest_leaf(self, message_id: str) -> str:
        order = list(self.parents)
        return max(self.subtree(message_id), key=order.index)

    def path(self) -> list[str]:
        found, current = [], self.head
        while current is not None:
            found.append(current)
            current = self.parents[current]
        return found[::-1]

    def delete(self, message_id: str) -> None:
        gone = self.subtree(message_id)
        if self.head in gone:
            siblings = [other for other in self.children(self.parents[message_id]) if other != message_id]
            self.head = self.newest_leaf(siblings[-1]) if siblings else self.parents[message_id]
        for other in gone:
            del self.parents[other]


_steps = st.lists(st.tuples(st.sampled_from(["add", "branch", "switch", "delete"]), st.integers(0, 10_000)), max_size=25)


@settings(max_examples=40, deadline=None)
@given(_steps)
def test_the_tree_behaves_like_the_model(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'test.db'}")
        await create_schema_for_tests(database, Base.metadata)
        journal, conversations = Journal(database), Conversations(database)
        journal.start()
        model, conversation_id = Model(), "conv_test"
        await journal.record(Exchange(conversation_id, (), conversation=ConversationRecord(conversation_id, "test")))
        for action, choice in steps:
            known = list(model.parents)
            chosen = known[choice % len(known)] if known else None
            if action in ("add", "branch"):
                parent = model.head if action == "add" else (model.parents[chosen] if chosen else None)
                message = MessageRecord(conversation_id, parent, "user", f"{action} {len(known)}")
                await journal.record(Exchange(conversation_id, (message,)))
                model.add(message.id, parent)
            elif chosen is not None and action == "switch":
                await conversations.switch_branch(EVERYTHING, conversation_id, chosen)
                model.head = model.newest_leaf(chosen)
            elif chosen is not None:
                await conversations.delete_message(EVERYTHING, conversation_id, chosen)
                model.delete(chosen)
            branch = await conversations.path(EVERYTHING, conversation_id)
            assert [message.id for message in branch] == model.path()
            for message in branch:
                assert message.siblings is not None
                assert list(message.siblings.ids) == model.children(message.parent_id)
            assert (await conversations.get(EVERYTHING, conversation_id)).message_count == len(model.parents)
        await journal.stop()
        await database.dispose()
