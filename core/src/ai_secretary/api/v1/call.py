"""One request to `/v1` that has been let in."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from ai_secretary.access import Principal
from ai_secretary.api.v1.asgi import Headers, Receive, Send
from ai_secretary.audit import AuditEvent
from ai_secretary.context import RequestContext


@dataclass(slots=True)
class Call:
    principal: Principal
    context: RequestContext
    receive: Receive
    send: Send
    conversation_header: str = ""
    """`X-Conversation-Id`, if the client sent one."""
    alone: bool = False
    """Nothing around the gateway has given the request an id, so the answer says it itself."""
    started: float = field(default_factory=time.perf_counter)

    @property
    def elapsed_ms(self) -> float:
        return (time.perf_counter() - self.started) * 1000

    def headers(self, *more: tuple[bytes, bytes]) -> Headers:
        if self.alone:
            return [*more, (b"x-request-id", self.context.request_id.encode("latin-1"))]
        return list(more)

    def audit(self, action: str, resource: str, resource_id: str, details: dict[str, object]) -> AuditEvent:
        """An event with its actor already in it: the journal's thread has no request to take it from."""
        principal = self.principal
        return AuditEvent(
            action,
            resource,
            resource_id,
            details,
            actor_id=principal.id,
            actor_name=principal.name,
            actor_kind=principal.kind,
            address=self.context.address,
            request_id=self.context.request_id,
        )
