"""Who did what, when and from where: append-only and hash-chained."""

from ai_secretary.audit.log import AuditEvent, AuditLog

__all__ = ["AuditEvent", "AuditLog"]
