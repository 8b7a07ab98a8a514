"""The rows of one batch and the statements that write them: SQLAlchemy Core, one executemany per table."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from sqlalchemy import String, bindparam, case, func, insert, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Dialect

from ai_secretary.conversations.folding import fold
from ai_secretary.conversations.models import PREVIEW_LENGTH, TITLE_LENGTH, ConversationRow, MessageRow, UsageRow, encode_json
from ai_secretary.conversations.records import Exchange, MessageRecord, UsageRecord
from ai_secretary.storage import micros, now

_conversations: Any = ConversationRow.__table__
_messages: Any = MessageRow.__table__
_usage: Any = UsageRow.__table__


def clean(text: str) -> str:
    """PostgreSQL stores neither NUL nor lone surrogates; what a model or a client sends may have both."""
    if "\x00" in text:
        text = text.replace("\x00", "\ufffd")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-8", "replace").decode()
    return text


def preview(text: str) -> str:
    return " ".join(text[: PREVIEW_LENGTH * 2].split())[:PREVIEW_LENGTH]


def _upsert(dialect: Any) -> Any:
    """A conversation that may exist already (a channel opened it twice) only gets the messages added."""
    statement = dialect.insert(_conversations)
    new, old = statement.excluded, _conversations.c
    unnamed = old.title == ""
    return statement.on_conflict_do_update(
        index_elements=[old.id],
        set_={
            "message_count": old.message_count + new.message_count,
            "head_id": func.coalesce(new.head_id, old.head_id),
            "last_message": case((new.head_id.is_not(None), new.last_message), else_=old.last_message),
            "updated_at": new.updated_at,
            "title": case((unnamed, new.title), else_=old.title),
            "folded": case((unnamed, new.folded), else_=old.folded),
        },
    )


_c = _conversations.c
_UPDATE = (
    update(_conversations)
    .where(_c.id == bindparam("_id"))
    .values(
        message_count=_c.message_count + bindparam("_added"),
        head_id=bindparam("_head"),
        last_message=bindparam("_last"),
        updated_at=bindparam("_at"),
        title=case((_c.title == "", bindparam("_title", type_=String)), else_=_c.title),
        folded=case((_c.title == "", bindparam("_folded", type_=String)), else_=_c.folded),
    )
)


class _Statement:
    """A Core statement compiled once. Rows bring values as the driver takes them, which saves SQLAlchemy's work per row."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        keys = None if statement is _UPDATE else [column.name for column in statement.table.c if column.name != "number"]
        compiled = statement.compile(dialect=dialect, column_keys=keys)
        self._text = str(compiled)
        self._values = itemgetter(*compiled.positiontup) if compiled.positiontup else None
        given = set(keys or ())
        self._constants = {
            name: value for name, value in compiled.params.items() if name not in given and not name.startswith("_")
        }

    def run(self, connection: Connection, rows: list[dict[str, Any]]) -> None:
        if self._constants:
            for row in rows:
                row.update(self._constants)
        connection.exec_driver_sql(self._text, rows if self._values is None else [self._values(row) for row in rows])


class Statements:
    """Of one database dialect."""

    def __init__(self, dialect: Dialect) -> None:
        upsert = _upsert(sqlite if dialect.name == "sqlite" else postgresql)
        self.open, self.update = _Statement(upsert, dialect), _Statement(_UPDATE, dialect)
        self.messages, self.usage = _Statement(insert(_messages).inline(), dialect), _Statement(insert(_usage).inline(), dialect)


def _json(value: Any) -> str | None:
    """As `models.JsonText` stores it."""
    return encode_json(value).decode() if value else None


class Rows:
    """Collects a batch. Several exchanges of one conversation become one change of its row."""

    def __init__(self) -> None:
        self._new: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}
        self._messages: list[dict[str, Any]] = []
        self._usage: list[dict[str, Any]] = []

    def add(self, exchange: Exchange) -> None:
        if exchange.conversation is not None:
            self._open(exchange)
        if exchange.messages:
            self._touch(exchange)
            self._messages.extend(self._message(message) for message in exchange.messages)
        for record in exchange.usage:
            self.add_usage(record)

    def _open(self, exchange: Exchange) -> None:
        record = exchange.conversation
        if record is None or record.id in self._new:
            return
        title = clean(record.title)[:TITLE_LENGTH]
        person = clean(record.person_name)[:200]
        first = micros(exchange.messages[0].created_at if exchange.messages else now())
        self._new[record.id] = {
            "id": record.id,
            "title": title,
            "folded": "",
            "source": record.source[:32],
            "source_id": record.source_id[:100] if record.source_id else None,
            "owner_id": record.owner_id,
            "person_id": clean(record.person_id)[:100],
            "person_name": person,
            "persona": record.persona,
            "model": record.model,
            "system_prompt": clean(record.system_prompt) if record.system_prompt else None,
            "sampling": _json(record.sampling),
            "head_id": None,
            "message_count": 0,
            "last_message": "",
            "created_at": first,
            "updated_at": first,
            "archived": False,
        }

    def _touch(self, exchange: Exchange) -> None:
        last = exchange.messages[-1]
        text = next((message.content for message in reversed(exchange.messages) if message.content), "")
        title = clean(exchange.title)[:TITLE_LENGTH]
        new = self._new.get(exchange.conversation_id)
        if new is not None:
            new["message_count"] += len(exchange.messages)
            new["head_id"] = last.id
            new["last_message"] = preview(clean(text))
            new["updated_at"] = micros(last.created_at)
            new["title"] = new["title"] or title
            return
        change = self._changed.setdefault(
            exchange.conversation_id, {"_id": exchange.conversation_id, "_added": 0, "_title": "", "_folded": ""}
        )
        change["_added"] += len(exchange.messages)
        change["_head"] = last.id
        change["_last"] = preview(clean(text))
        change["_at"] = micros(last.created_at)
        if not change["_title"] and title:
            change["_title"] = title
            change["_folded"] = fold(title, 500)

    @staticmethod
    def _message(message: MessageRecord) -> dict[str, Any]:
        content = clean(message.content)
        source = message.source
        return {
            "id": message.id,
            "conversation_id": message.conversation_id,
            "parent_id": message.parent_id,
            "role": message.role[:16],
            "content": content,
            "folded": fold(content),
            "status": message.status,
            "error_code": message.error_code,
            "source_kind": source.kind if source else None,
            "source_label": clean(source.label)[:300] if source else "",
            "source_id": clean(source.id)[:200] if source else "",
            "model": message.model,
            "prompt_tokens": message.usage.prompt_tokens,
            "completion_tokens": message.usage.completion_tokens,
            "timings": _json(message.timings),
            "details": _json(message.details),
            "created_at": micros(message.created_at),
        }

    def add_usage(self, record: UsageRecord) -> None:
        self._usage.append(
            {
                "at": micros(record.at),
                "kind": record.kind,
                "actor_id": record.actor_id,
                "source": record.source[:32],
                "conversation_id": record.conversation_id,
                "model": record.model[:200],
                "units": record.units,
                "prompt_tokens": record.prompt_tokens,
                "completion_tokens": record.completion_tokens,
                "cost_usd": record.cost_usd,
                "duration_ms": record.duration_ms,
            }
        )

    def write(self, connection: Connection, statements: Statements) -> None:
        for row in self._new.values():
            row["folded"] = fold(f"{row['title']} {row['person_name']}", 500)
        if self._new:
            statements.open.run(connection, list(self._new.values()))
        if self._messages:
            statements.messages.run(connection, self._messages)
        if self._changed:
            statements.update.run(connection, list(self._changed.values()))
        if self._usage:
            statements.usage.run(connection, self._usage)
