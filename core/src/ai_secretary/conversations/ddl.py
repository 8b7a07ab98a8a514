"""What metadata cannot express: the full-text index over messages. Used by the initial migration and by tests.

On SQLite, indexing a message costs more than storing it, so it is not done by the insert: whoever searches, and the journal when
it has nothing to do, brings the index up to date first (`catch_up`). On PostgreSQL it is an ordinary index.
"""

from __future__ import annotations

from sqlalchemy import TextClause, text
from sqlalchemy.engine import Connection

_INDEXED = "EXISTS (SELECT 1 FROM messages_search_docsize WHERE id = old.number)"
_FORGET = "INSERT INTO messages_search(messages_search, rowid, folded) VALUES ('delete', old.number, old.folded);"
_AGAIN = "INSERT INTO messages_search(rowid, folded) VALUES (new.number, new.folded);"
_SQLITE = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS messages_search USING fts5("
    "folded, content='messages', content_rowid='number', tokenize='unicode61 remove_diacritics 0', detail=none)",
    f"CREATE TRIGGER IF NOT EXISTS messages_search_delete AFTER DELETE ON messages WHEN {_INDEXED} BEGIN {_FORGET} END",
    f"CREATE TRIGGER IF NOT EXISTS messages_search_update AFTER UPDATE OF folded ON messages WHEN {_INDEXED} "
    f"BEGIN {_FORGET} {_AGAIN} END",
    "INSERT INTO messages_search(messages_search) VALUES ('rebuild')",
)
_POSTGRESQL = ("CREATE INDEX IF NOT EXISTS ix_messages_search ON messages USING gin (to_tsvector('simple'::regconfig, folded))",)

CATCH_UP_ROWS = 1000
"""Messages that one `catch_up` indexes at most (about 30 ms)."""


def catch_up() -> TextClause:
    """Statement (SQLite) that indexes the next messages; its rowcount says how many.

    Numbers only grow, so the last indexed one is the watermark.
    """
    return text(
        "INSERT INTO messages_search(rowid, folded) SELECT number, folded FROM messages "
        "WHERE number > (SELECT coalesce(max(id), 0) FROM messages_search_docsize) ORDER BY number LIMIT :rows"
    ).bindparams(rows=CATCH_UP_ROWS)


def install(connection: Connection) -> None:
    """Create the index if it is not there, inside the caller's transaction. Safe to call again."""
    for statement in _SQLITE if connection.dialect.name == "sqlite" else _POSTGRESQL:
        connection.execute(text(statement))


def remove(connection: Connection) -> None:
    """Undo `install` (a downgrade)."""
    if connection.dialect.name == "sqlite":
        for name in ("delete", "update"):
            connection.execute(text(f"DROP TRIGGER IF EXISTS messages_search_{name}"))
        connection.execute(text("DROP TABLE IF EXISTS messages_search"))
    else:
        connection.execute(text("DROP INDEX IF EXISTS ix_messages_search"))
