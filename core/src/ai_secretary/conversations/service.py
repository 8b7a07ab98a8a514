"""Conversations as everybody but the hot loop uses them. Each method is one transaction and takes the caller's `Visibility`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from sqlalchemy import delete

from ai_secretary.conversations import export as exporting
from ai_secretary.conversations.folding import fold, snippet, words
from ai_secretary.conversations.models import TITLE_LENGTH, ConversationRow
from ai_secretary.conversations.records import Conversation, ExportFile, Group, Hit, Hits, Message, Page, Visibility
from ai_secretary.conversations.repository import ConversationRepository
from ai_secretary.errors import InvalidInput, NotFound
from ai_secretary.ids import new_id
from ai_secretary.storage import Database, now

LIMIT = 200
"""Most rows that one page may have."""
BULK_LIMIT = 1000

# Spelled here, because inside the class `list` is a method.
Messages = list[Message]
Ids = list[str]
Groups = list[Group]


class ConversationChanges(TypedDict, total=False):
    """What `update` changes: a key that is absent stays as it is, None clears the field."""

    title: str | None
    persona: str | None
    model: str | None
    system_prompt: str | None
    sampling: Mapping[str, Any] | None
    archived: bool


def folded_title(title: str, person_name: str) -> str:
    return fold(f"{title} {person_name}", 500)


def _page_size(limit: int) -> int:
    if not 1 <= limit <= LIMIT:
        raise InvalidInput("limit is between 1 and {most}", most=LIMIT, field="limit")
    return limit


def _title(title: str | None) -> str:
    return " ".join((title or "").split())[:TITLE_LENGTH]


class Conversations:
    def __init__(self, database: Database) -> None:
        self._database = database

    # ---- reading ----

    async def get(self, viewer: Visibility, conversation_id: str) -> Conversation:
        """Raises `NotFound`, also for a conversation that the caller may not see."""
        async with self._database.session() as session:
            return await self._get(ConversationRepository(session), viewer, conversation_id)

    async def list(
        self,
        viewer: Visibility,
        *,
        source: str | None = None,
        source_id: str | None = None,
        archived: bool | None = False,
        search: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Newest first, without messages. `search` looks into titles, names and all messages. `archived=None`: both kinds."""
        await self._refresh_index(search)
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            items, next_cursor = await repository.list(
                viewer,
                source=source,
                source_id=source_id,
                archived=archived,
                search=search,
                cursor=cursor,
                limit=_page_size(limit),
            )
            total = await repository.count(viewer, source=source, source_id=source_id, archived=archived, search=search)
        return Page(items, next_cursor, total)

    async def grouped(
        self, viewer: Visibility, *, archived: bool | None = False, search: str = "", per_group: int = 20
    ) -> Groups:
        """By source, the largest group first, each with its newest conversations."""
        await self._refresh_index(search)
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            groups = []
            for source, count in (await repository.counts_by_source(viewer, archived=archived, search=search)).items():
                items, _ = await repository.list(
                    viewer, source=source, archived=archived, search=search, limit=_page_size(per_group)
                )
                groups.append(Group(source, count, items))
        return groups

    async def search(
        self, viewer: Visibility, query: str, *, source: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Hits:
        """Messages that have every word of `query`, whole or as a beginning, in any case and with ё or е, newest first."""
        found = words(query)
        if not found:
            return Hits([], None)
        await self._refresh_index(query)
        async with self._database.session() as session:
            rows, next_cursor = await ConversationRepository(session).search(
                viewer, found, source=source, cursor=cursor, limit=_page_size(limit)
            )
        return Hits([Hit(conversation, message, snippet(message.content, found)) for conversation, message in rows], next_cursor)

    async def find(
        self,
        viewer: Visibility,
        *,
        source: str,
        source_id: str | None = None,
        person_id: str | None = None,
        owner_id: str | None = None,
    ) -> Conversation | None:
        """The conversation that a channel goes on with: the newest unarchived one of this place and person."""
        async with self._database.session() as session:
            return await ConversationRepository(session).find(
                viewer, source=source, source_id=source_id, person_id=person_id, owner_id=owner_id
            )

    async def path(self, viewer: Visibility, conversation_id: str, *, limit: int = 100_000) -> Messages:
        """The active branch, oldest first (its last `limit` messages), each message with its siblings."""
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            conversation = await self._get(repository, viewer, conversation_id)
            return await self._path(repository, conversation, limit)

    async def branch_to(self, viewer: Visibility, conversation_id: str, message_id: str, *, limit: int) -> Messages:
        """The messages that lead to `message_id`, it included, without sibling information."""
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            await self._get(repository, viewer, conversation_id)
            return await repository.path(conversation_id, message_id, limit)

    async def message(self, viewer: Visibility, conversation_id: str, message_id: str) -> Message:
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            await self._get(repository, viewer, conversation_id)
            return await self._message(repository, conversation_id, message_id)

    async def export(self, viewer: Visibility, conversation_id: str, format: str = "json") -> ExportFile:
        """`json` holds every branch; `markdown` and `txt` the active one."""
        if format not in exporting.FORMATS:
            raise InvalidInput("There is no export format {format}: use json, markdown or txt", format=format, field="format")
        async with self._database.session() as session:
            repository = ConversationRepository(session)
            conversation = await self._get(repository, viewer, conversation_id)
            branch = await self._path(repository, conversation, 100_000)
            everything = await repository.all_messages(conversation_id) if format == "json" else branch
        return exporting.export(conversation, branch, everything, format)

    # ---- changing ----

    async def create(
        self,
        *,
        source: str,
        title: str | None = None,
        source_id: str | None = None,
        owner_id: str | None = None,
        person_id: str = "",
        person_name: str = "",
        persona: str | None = None,
        model: str | None = None,
        system_prompt: str | None = None,
        sampling: Mapping[str, Any] | None = None,
    ) -> Conversation:
        moment = now()
        conversation = Conversation(
            id=new_id("conv"),
            title=_title(title),
            source=source,
            source_id=source_id,
            owner_id=owner_id,
            person_id=person_id,
            person_name=person_name,
            persona=persona,
            model=model,
            system_prompt=system_prompt,
            sampling=dict(sampling or {}),
            head_id=None,
            message_count=0,
            last_message="",
            created_at=moment,
            updated_at=moment,
            archived=False,
        )
        values = {name: getattr(conversation, name) for name in conversation.__slots__}
        async with self._database.transaction() as session:
            await ConversationRepository(session).add({**values, "folded": folded_title(conversation.title, person_name)})
        return conversation

    async def update(self, viewer: Visibility, conversation_id: str, changes: ConversationChanges) -> Conversation:
        values: dict[str, Any] = dict(changes)
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await self._get(repository, viewer, conversation_id)
            if "title" in values:
                values["title"] = _title(values["title"])
                values["folded"] = folded_title(values["title"], conversation.person_name)
            if "sampling" in values:
                values["sampling"] = dict(values["sampling"] or {})
            if values:
                await repository.update(conversation_id, {**values, "updated_at": now()})
            return await self._get(repository, viewer, conversation_id)

    async def delete(self, viewer: Visibility, conversation_id: str) -> None:
        """With all its messages. Raises `NotFound`."""
        if not await self.bulk_delete(viewer, [conversation_id]):
            raise self._missing()

    async def bulk_delete(self, viewer: Visibility, ids: Sequence[str]) -> Ids:
        """Deletes what the caller may see; returns the ids that were deleted, others are passed over."""
        if len(ids) > BULK_LIMIT:
            raise InvalidInput("At most {most} conversations can be deleted at once", most=BULK_LIMIT, field="ids")
        async with self._database.transaction() as session:
            return await ConversationRepository(session).delete(viewer, ids)

    async def switch_branch(self, viewer: Visibility, conversation_id: str, message_id: str) -> Messages:
        """Show the branch of `message_id`, down to its newest leaf; returns the new active branch."""
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await self._get(repository, viewer, conversation_id)
            await self._message(repository, conversation_id, message_id)
            conversation.head_id = await repository.newest_leaf(message_id)
            await repository.move_head(conversation_id, conversation.head_id)
            return await self._path(repository, conversation, 100_000)

    async def delete_message(self, viewer: Visibility, conversation_id: str, message_id: str) -> int:
        """Delete a message and all that follows it on its branches; returns how many. An alternative, or else what came
        before, becomes the active branch if the deleted part was in it."""
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            conversation = await self._get(repository, viewer, conversation_id)
            message = await self._message(repository, conversation_id, message_id)
            head = conversation.head_id
            if head is not None and await repository.in_subtree(message_id, head):
                sibling = await repository.newest_sibling(message)
                head = await repository.newest_leaf(sibling) if sibling else message.parent_id
            removed = await repository.delete_subtree(message_id)
            await repository.lower_count(conversation_id, removed)
            await repository.move_head(conversation_id, head)
            return removed

    async def clear(self, viewer: Visibility, conversation_id: str) -> int:
        """Delete all messages, keep the conversation and its settings; returns how many messages there were."""
        async with self._database.transaction() as session:
            repository = ConversationRepository(session)
            await self._get(repository, viewer, conversation_id)
            removed = await repository.delete_messages(conversation_id)
            await repository.update(
                conversation_id, {"message_count": 0, "head_id": None, "last_message": "", "updated_at": now()}
            )
            return removed

    async def erase_person(self, source: str, person_id: str) -> int:
        """Delete every conversation of a person of a channel; returns how many (the right to be forgotten)."""
        if not person_id:
            raise InvalidInput("A person id is needed to erase a person's conversations", field="person_id")
        async with self._database.transaction() as session:
            columns = ConversationRow.__table__.c
            result = await session.execute(
                delete(ConversationRow).where(columns.source == source, columns.person_id == person_id)
            )
            return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE or UPDATE has it

    # ---- shared ----

    @staticmethod
    def _missing() -> NotFound:
        return NotFound(
            "There is no such conversation", code="conversation_not_found", hint="It may have been deleted. Open the list again."
        )

    async def _get(self, repository: ConversationRepository, viewer: Visibility, conversation_id: str) -> Conversation:
        conversation = await repository.get(viewer, conversation_id)
        if conversation is None:
            raise self._missing()
        return conversation

    @staticmethod
    async def _message(repository: ConversationRepository, conversation_id: str, message_id: str) -> Message:
        message = await repository.message(conversation_id, message_id)
        if message is None:
            raise NotFound(
                "There is no such message in this conversation",
                code="message_not_found",
                hint="It may have been deleted. Load the conversation again.",
            )
        return message

    @staticmethod
    async def _path(repository: ConversationRepository, conversation: Conversation, limit: int) -> Messages:
        if conversation.head_id is None:
            return []
        branch = await repository.path(conversation.id, conversation.head_id, limit)
        await repository.add_siblings(conversation.id, branch)
        return branch

    async def _refresh_index(self, search: str) -> None:
        if self._database.is_sqlite and words(search):
            async with self._database.transaction() as session:
                await ConversationRepository(session).index_pending()
