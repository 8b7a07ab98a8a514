"""Every query over conversations and messages. Each one takes a `Visibility`, or ids that came out of a query that did."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, and_, case, delete, func, insert, literal, or_, select, text, tuple_
from sqlalchemy import type_coerce as coerce
from sqlalchemy import update as sql_update
from sqlalchemy.ext.asyncio import AsyncSession

from ai_secretary.conversations.ddl import CATCH_UP_ROWS, catch_up
from ai_secretary.conversations.folding import words
from ai_secretary.conversations.models import PREVIEW_LENGTH, ConversationRow, MessageRow
from ai_secretary.conversations.records import Conversation, Message, MessageSource, SiblingInfo, Visibility
from ai_secretary.errors import InvalidInput
from ai_secretary.llm import Usage

conversations = ConversationRow.__table__.c
messages = MessageRow.__table__.c
_CONVERSATION_COLUMNS = [column for column in conversations if column.name != "folded"]
_MESSAGE_COLUMNS = [column for column in messages if column.name != "folded"]

# Spelled here, because inside the class `list` is a method.
Messages = list[Message]
Ids = list[str]
Found = list[tuple[Conversation, Message]]


def encode_cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(":".join(str(part) for part in parts).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, parts: int) -> list[str]:
    try:
        found = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().split(":", parts - 1)
        int(found[0])
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise InvalidInput("This page cursor is not valid", hint="Begin again from the first page.", field="cursor") from error
    if len(found) != parts:
        raise InvalidInput("This page cursor is not valid", hint="Begin again from the first page.", field="cursor")
    return found


def visible(viewer: Visibility) -> ColumnElement[bool]:
    if viewer.owner_id is None:
        return literal(True) if viewer.shared else conversations.owner_id.is_(None)
    mine = conversations.owner_id == viewer.owner_id
    return or_(mine, conversations.owner_id.is_(None)) if viewer.shared else mine


def _to_conversation(row: Any) -> Conversation:
    return Conversation(**{column.name: row[column.name] for column in _CONVERSATION_COLUMNS})


def _to_message(row: Any) -> Message:
    return Message(
        id=row["id"],
        conversation_id=row["conversation_id"],
        parent_id=row["parent_id"],
        role=row["role"],
        content=row["content"],
        status=row["status"],
        error_code=row["error_code"],
        source=MessageSource(row["source_kind"], row["source_label"], row["source_id"]) if row["source_kind"] else None,
        model=row["model"],
        usage=Usage(row["prompt_tokens"], row["completion_tokens"]),
        timings=row["timings"],
        details=row["details"],
        created_at=row["created_at"],
    )


class ConversationRepository:
    """Bound to one session; whoever opened the session commits."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._sqlite = session.get_bind().dialect.name == "sqlite"

    # ---- conversations ----

    async def get(self, viewer: Visibility, conversation_id: str) -> Conversation | None:
        query = select(*_CONVERSATION_COLUMNS).where(conversations.id == conversation_id, visible(viewer))
        row = (await self._session.execute(query)).mappings().first()
        return _to_conversation(row) if row else None

    async def add(self, values: Mapping[str, Any]) -> None:
        await self._session.execute(insert(ConversationRow), dict(values))

    async def update(self, conversation_id: str, values: Mapping[str, Any]) -> None:
        await self._session.execute(sql_update(ConversationRow).where(conversations.id == conversation_id).values(**values))

    async def delete(self, viewer: Visibility, ids: Sequence[str]) -> list[str]:
        """Messages go with their conversations (foreign keys cascade). Returns the ids that were there to delete."""
        query = select(conversations.id).where(conversations.id.in_(ids), visible(viewer))
        found = list((await self._session.execute(query)).scalars())
        if found:
            await self._session.execute(delete(ConversationRow).where(conversations.id.in_(found)))
        return found

    def _filtered(
        self, viewer: Visibility, source: str | None, source_id: str | None, archived: bool | None, search: str
    ) -> list[ColumnElement[bool]]:
        conditions = [visible(viewer)]
        if source is not None:
            conditions.append(conversations.source == source)
        if source_id is not None:
            conditions.append(conversations.source_id == source_id)
        if archived is not None:
            conditions.append(conversations.archived.is_(archived))
        if found := words(search):
            in_title = and_(*(self._begins(conversations.folded, word) for word in found))
            in_messages = conversations.id.in_(select(messages.conversation_id).where(self._matches(found)))
            conditions.append(or_(in_title, in_messages))
        elif search.strip():
            conditions.append(literal(False))
        return conditions

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
    ) -> tuple[list[Conversation], str | None]:
        """Newest first. Reads one row more than asked to know whether there is a next page."""
        micros = coerce(conversations.updated_at, BigInteger)
        query = select(*_CONVERSATION_COLUMNS, micros.label("micros")).where(
            *self._filtered(viewer, source, source_id, archived, search)
        )
        if cursor:
            at, last = decode_cursor(cursor, 2)
            query = query.where(tuple_(micros, conversations.id) < tuple_(literal(int(at), BigInteger), literal(last)))
        query = query.order_by(conversations.updated_at.desc(), conversations.id.desc()).limit(limit + 1)
        rows = (await self._session.execute(query)).mappings().all()
        more = len(rows) > limit
        rows = rows[:limit]
        return [_to_conversation(row) for row in rows], encode_cursor(rows[-1]["micros"], rows[-1]["id"]) if more else None

    async def count(
        self, viewer: Visibility, *, source: str | None, source_id: str | None, archived: bool | None, search: str
    ) -> int:
        query = select(func.count()).select_from(ConversationRow)
        query = query.where(*self._filtered(viewer, source, source_id, archived, search))
        return int((await self._session.execute(query)).scalar_one())

    async def counts_by_source(self, viewer: Visibility, *, archived: bool | None, search: str) -> dict[str, int]:
        query = select(conversations.source, func.count()).where(*self._filtered(viewer, None, None, archived, search))
        rows = await self._session.execute(query.group_by(conversations.source).order_by(func.count().desc()))
        return {row[0]: row[1] for row in rows}

    async def find(
        self, viewer: Visibility, *, source: str, source_id: str | None, person_id: str | None, owner_id: str | None
    ) -> Conversation | None:
        """The newest unarchived conversation of this place and person."""
        query = select(*_CONVERSATION_COLUMNS).where(
            visible(viewer), conversations.source == source, conversations.archived.is_(False)
        )
        if source_id is not None:
            query = query.where(conversations.source_id == source_id)
        if person_id is not None:
            query = query.where(conversations.person_id == person_id)
        if owner_id is not None:
            query = query.where(conversations.owner_id == owner_id)
        query = query.order_by(conversations.updated_at.desc(), conversations.id.desc()).limit(1)
        row = (await self._session.execute(query)).mappings().first()
        return _to_conversation(row) if row else None

    # ---- search ----

    async def index_pending(self) -> None:
        """Bring SQLite's search index up to date (PostgreSQL's always is)."""
        if self._sqlite:
            # the result of an INSERT counts its rows; the type of `execute` does not know which statement it was
            while (await self._session.execute(catch_up())).rowcount == CATCH_UP_ROWS:  # type: ignore[attr-defined]
                pass

    def _begins(self, column: ColumnElement[str], word: str) -> ColumnElement[bool]:
        """A folded column has a word that begins with `word` (letters and digits only, so nothing needs escaping)."""
        return or_(column.like(f"{word}%"), column.like(f"% {word}%"))

    def _matches(self, found: Sequence[str]) -> ColumnElement[bool]:
        """Messages with all these words, each possibly as the beginning of a longer one."""
        if self._sqlite:
            query = " ".join(f'"{word}" *' for word in found)
            rows = select(text("rowid")).select_from(text("messages_search"))
            return messages.number.in_(rows.where(text("messages_search MATCH :words").bindparams(words=query)))
        query = " & ".join(f"{word}:*" for word in found)
        simple = text("'simple'::regconfig")
        return func.to_tsvector(simple, messages.folded).op("@@")(func.to_tsquery(simple, query))

    async def search(
        self, viewer: Visibility, found: Sequence[str], *, source: str | None, cursor: str | None, limit: int
    ) -> tuple[Found, str | None]:
        """Newest messages first."""
        query = (
            select(
                *(column.label(f"c_{column.name}") for column in _CONVERSATION_COLUMNS),
                *(column.label(f"m_{column.name}") for column in _MESSAGE_COLUMNS),
            )
            .select_from(MessageRow)
            .join(ConversationRow, conversations.id == messages.conversation_id)
            .where(visible(viewer), self._matches(found))
        )
        if source is not None:
            query = query.where(conversations.source == source)
        if cursor:
            query = query.where(messages.number < int(decode_cursor(cursor, 1)[0]))
        rows = (await self._session.execute(query.order_by(messages.number.desc()).limit(limit + 1))).mappings().all()
        more = len(rows) > limit
        rows = rows[:limit]
        hits = [
            (
                _to_conversation({key[2:]: value for key, value in row.items() if key.startswith("c_")}),
                _to_message({key[2:]: value for key, value in row.items() if key.startswith("m_")}),
            )
            for row in rows
        ]
        return hits, encode_cursor(rows[-1]["m_number"]) if more else None

    # ---- the tree of messages ----

    async def message(self, conversation_id: str, message_id: str) -> Message | None:
        query = select(*_MESSAGE_COLUMNS).where(messages.id == message_id, messages.conversation_id == conversation_id)
        row = (await self._session.execute(query)).mappings().first()
        return _to_message(row) if row else None

    @staticmethod
    def _upwards(conversation_id: str, leaf_id: str, limit: int) -> Any:
        """Recursive: the branch from a leaf to its root, at most `limit` messages."""
        branch = (
            select(messages.id, messages.parent_id, literal(0).label("depth"))
            .where(messages.id == leaf_id, messages.conversation_id == conversation_id)
            .cte("branch", recursive=True)
        )
        return branch.union_all(
            select(messages.id, messages.parent_id, branch.c.depth + 1)
            .join(branch, messages.id == branch.c.parent_id)
            .where(branch.c.depth < limit - 1)
        )

    async def path(self, conversation_id: str, leaf_id: str, limit: int = 100_000) -> Messages:
        """From the root (or the last `limit` messages) to the leaf, without sibling information."""
        branch = self._upwards(conversation_id, leaf_id, limit)
        query = select(*_MESSAGE_COLUMNS).join(branch, messages.id == branch.c.id).order_by(branch.c.depth.desc())
        return [_to_message(row) for row in (await self._session.execute(query)).mappings()]

    async def add_siblings(self, conversation_id: str, branch: Sequence[Message]) -> None:
        """Fill in `Message.siblings` for a branch, by one query over ids."""
        if not branch:
            return
        wanted = {message.parent_id for message in branch}
        path = self._upwards(conversation_id, branch[-1].id, len(branch))
        parents = select(path.c.parent_id).where(path.c.parent_id.is_not(None))
        condition: ColumnElement[bool] = messages.parent_id.in_(parents)
        if None in wanted:
            condition = or_(condition, messages.parent_id.is_(None))
        query = (
            select(messages.id, messages.parent_id)
            .where(messages.conversation_id == conversation_id, condition)
            .order_by(messages.number)
        )
        children: dict[str | None, list[str]] = {}
        for message_id, parent_id in await self._session.execute(query):
            children.setdefault(parent_id, []).append(message_id)
        for message in branch:
            ids = tuple(children[message.parent_id])
            message.siblings = SiblingInfo(ids.index(message.id), len(ids), ids)

    @staticmethod
    def _downwards(message_id: str) -> Any:
        subtree = select(messages.id, messages.number).where(messages.id == message_id).cte("subtree", recursive=True)
        return subtree.union_all(select(messages.id, messages.number).join(subtree, messages.parent_id == subtree.c.id))

    async def newest_leaf(self, message_id: str) -> str:
        """Children are always newer than parents, so the newest message of a subtree is a leaf."""
        subtree = self._downwards(message_id)
        query = select(subtree.c.id).order_by(subtree.c.number.desc()).limit(1)
        return str((await self._session.execute(query)).scalar_one())

    async def newest_sibling(self, message: Message) -> str | None:
        same = messages.parent_id == message.parent_id if message.parent_id else messages.parent_id.is_(None)
        query = select(messages.id).where(messages.conversation_id == message.conversation_id, same, messages.id != message.id)
        return (await self._session.execute(query.order_by(messages.number.desc()).limit(1))).scalar_one_or_none()

    async def in_subtree(self, message_id: str, candidate_id: str) -> bool:
        subtree = self._downwards(message_id)
        return (await self._session.execute(select(subtree.c.id).where(subtree.c.id == candidate_id))).first() is not None

    async def delete_subtree(self, message_id: str) -> int:
        """One statement, so that foreign keys inside the subtree hold when it ends."""
        subtree = self._downwards(message_id)
        result = await self._session.execute(delete(MessageRow).where(messages.id.in_(select(subtree.c.id))))
        return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE or UPDATE has it

    async def delete_messages(self, conversation_id: str) -> int:
        result = await self._session.execute(delete(MessageRow).where(messages.conversation_id == conversation_id))
        return int(result.rowcount)  # type: ignore[attr-defined]  # a DELETE or UPDATE has it

    async def move_head(self, conversation_id: str, head_id: str | None) -> None:
        """Point at another leaf and show its text in lists."""
        preview = select(func.substr(messages.content, 1, PREVIEW_LENGTH)).where(messages.id == head_id).scalar_subquery()
        await self._session.execute(
            sql_update(ConversationRow)
            .where(conversations.id == conversation_id)
            .values(head_id=head_id, last_message=func.coalesce(preview, ""))
        )

    async def lower_count(self, conversation_id: str, removed: int) -> None:
        left = conversations.message_count - removed
        await self._session.execute(
            sql_update(ConversationRow)
            .where(conversations.id == conversation_id)
            .values(message_count=case((left > 0, left), else_=0))
        )

    async def all_messages(self, conversation_id: str) -> Messages:
        """Every branch, in order of arrival (export)."""
        query = select(*_MESSAGE_COLUMNS).where(messages.conversation_id == conversation_id).order_by(messages.number)
        return [_to_message(row) for row in (await self._session.execute(query)).mappings()]
