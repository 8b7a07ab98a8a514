"""One audited fact, and where it is handed to."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from ai_secretary.context import request_context
from ai_secretary.logs import redact
from ai_secretary.storage import now


@dataclass(slots=True)
class AuditEvent:
    """`action` is `area.verb` (`faq.create`), `resource` what kind of thing, `resource_id` which one.

    Who and from where are filled in from the request when they are empty; secrets in `details` are masked by `complete`.
    """

    action: str
    resource: str
    resource_id: str = ""
    details: dict[str, Any] = field(default_factory=dict)
    actor_id: str = ""
    actor_name: str = ""
    actor_kind: str = ""
    """`user`, `key`, `system`, or `anonymous`."""
    address: str = ""
    request_id: str = ""
    at: datetime = field(default_factory=now)

    def complete(self) -> AuditEvent:
        """This event with the caller of the current request and without secrets: what may be stored."""
        context = request_context.get()
        principal = context.principal if context is not None else None
        actor_id, actor_name, actor_kind = self.actor_id, self.actor_name, self.actor_kind
        if not actor_id and not actor_name and not actor_kind:
            if principal is not None:
                actor_id, actor_name, actor_kind = principal.id, principal.name, principal.kind
            elif context is not None:
                actor_kind = "anonymous"
            else:
                actor_id, actor_name, actor_kind = "system", "system", "system"
        return AuditEvent(
            action=self.action[:100],
            resource=self.resource[:64],
            resource_id=self.resource_id[:200],
            details=redact(self.details),
            actor_id=actor_id[:64],
            actor_name=actor_name[:100],
            actor_kind=actor_kind or "user",
            address=(self.address or (context.address if context is not None else ""))[:64],
            request_id=(self.request_id or (context.request_id if context is not None else ""))[:64],
            at=self.at,
        )


class AuditSink(Protocol):
    """Takes completed events and stores them soon. Must not block and must not raise."""

    def submit(self, event: AuditEvent) -> None: ...
