"""Who did what, when and from where: append-only and hash-chained."""

from ai_secretary.audit import ddl
from ai_secretary.audit.chain import ChainWriter
from ai_secretary.audit.event import AuditEvent, AuditSink
from ai_secretary.audit.log import AuditLog, AuditStats, Page
from ai_secretary.audit.models import AuditRow
from ai_secretary.audit.repository import AuditFilter
from ai_secretary.audit.sink import ThreadSink
from ai_secretary.audit.verification import Break, ChainHead, Verification

__all__ = [
    "AuditEvent",
    "AuditFilter",
    "AuditLog",
    "AuditRow",
    "AuditSink",
    "AuditStats",
    "Break",
    "ChainHead",
    "ChainWriter",
    "Page",
    "ThreadSink",
    "Verification",
    "ddl",
]
