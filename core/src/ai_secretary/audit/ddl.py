"""What makes the table append-only inside the database itself: no UPDATE ever, no DELETE of rows younger than 7 days.

The initial migration calls `install(op.get_bind())` after it has made the table, and `remove` on the way down.
"""

from __future__ import annotations

from sqlalchemy import Connection

KEEP_DAYS = 7
_KEEP_US = KEEP_DAYS * 24 * 3600 * 1_000_000

_SQLITE = (
    """
    CREATE TRIGGER IF NOT EXISTS audit_log_no_update BEFORE UPDATE ON audit_log
    BEGIN SELECT RAISE(ABORT, 'audit_log is append-only'); END
    """,
    f"""
    CREATE TRIGGER IF NOT EXISTS audit_log_keep BEFORE DELETE ON audit_log
    WHEN OLD.at > CAST(strftime('%s', 'now') AS INTEGER) * 1000000 - {_KEEP_US}
    BEGIN SELECT RAISE(ABORT, 'audit_log keeps rows for {KEEP_DAYS} days'); END
    """,
)
_SQLITE_REMOVE = ("DROP TRIGGER IF EXISTS audit_log_no_update", "DROP TRIGGER IF EXISTS audit_log_keep")

_POSTGRESQL = (
    f"""
    CREATE OR REPLACE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $guard$
    BEGIN
        IF TG_OP = 'DELETE' AND OLD.at <= (extract(epoch FROM clock_timestamp()) * 1000000)::bigint - {_KEEP_US} THEN
            RETURN OLD;
        END IF;
        RAISE EXCEPTION 'audit_log is append-only and keeps rows for {KEEP_DAYS} days';
    END
    $guard$
    """,
    """
    CREATE OR REPLACE FUNCTION audit_log_no_truncate() RETURNS trigger LANGUAGE plpgsql AS $guard$
    BEGIN
        RAISE EXCEPTION 'audit_log is append-only';
    END
    $guard$
    """,
    "DROP TRIGGER IF EXISTS audit_log_guard ON audit_log",
    """
    CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_guard()
    """,
    "DROP TRIGGER IF EXISTS audit_log_no_truncate ON audit_log",
    """
    CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION audit_log_no_truncate()
    """,
)
_POSTGRESQL_REMOVE = (
    "DROP TRIGGER IF EXISTS audit_log_guard ON audit_log",
    "DROP TRIGGER IF EXISTS audit_log_no_truncate ON audit_log",
    "DROP FUNCTION IF EXISTS audit_log_guard()",
    "DROP FUNCTION IF EXISTS audit_log_no_truncate()",
)


def install(connection: Connection) -> None:
    """Create the triggers; the table exists. May be called again."""
    for statement in _POSTGRESQL if connection.dialect.name == "postgresql" else _SQLITE:
        connection.exec_driver_sql(statement)


def remove(connection: Connection) -> None:
    """Drop the triggers (a migration that goes down)."""
    for statement in _POSTGRESQL_REMOVE if connection.dialect.name == "postgresql" else _SQLITE_REMOVE:
        connection.exec_driver_sql(statement)
