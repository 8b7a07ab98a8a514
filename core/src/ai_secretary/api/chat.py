"""`/admin/chat`: conversations of all channels, and talking with the secretary from the administration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import structlog
from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response, StreamingResponse

from ai_secretary.access import Principal
from ai_secretary.api.chat_schemas import (
    BulkDelete,
    BulkDeleted,
    DeletedMessages,
    Done,
    EditMessage,
    ExchangeReply,
    GroupedSessionsReply,
    HitReply,
    HitsReply,
    MessageReply,
    NewMessage,
    NewSession,
    Override,
    Regenerate,
    SessionChange,
    SessionDetail,
    SessionGroup,
    SessionReply,
    SessionsReply,
    checked,
)
from ai_secretary.api.event_stream import DONE, EventStreamResponse, event
from ai_secretary.api.problems import ERRORS, internal_error, problem_responses
from ai_secretary.api.security import require
from ai_secretary.audit import AuditEvent
from ai_secretary.channels import Capabilities
from ai_secretary.conversations import Visibility
from ai_secretary.dialogue import Overrides, Person, TextDelta
from ai_secretary.dialogue.service import Stored
from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import Translator

if TYPE_CHECKING:
    from ai_secretary.app import Application

log = structlog.get_logger(__name__)
_ = Translator("core")

Reader = Annotated[Principal, Depends(require("chat:read"))]
Writer = Annotated[Principal, Depends(require("chat:write"))]
ANSWERING = problem_responses(502, 503, 504)
STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events: user_message, chunk…, assistant_message or error, then [DONE]",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
}


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/chat/sessions", tags=["chat"], responses=ERRORS)
    conversations = application.conversations
    talk = _Talk(application)

    # ---- conversations ----

    @router.get("", summary="List or group conversations, newest first")
    async def list_sessions(
        principal: Reader,
        group_by: Literal["source"] | None = None,
        source: Annotated[str | None, Query(max_length=32)] = None,
        source_id: Annotated[str | None, Query(max_length=100)] = None,
        search: Annotated[str, Query(max_length=500, description="In titles, names and all messages")] = "",
        archived: Annotated[bool | None, Query(description="true: only archived ones")] = False,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> SessionsReply | GroupedSessionsReply:
        viewer = Visibility.of(principal)
        if group_by is not None:
            groups = await conversations.grouped(viewer, archived=archived, search=search, per_group=limit)
            return GroupedSessionsReply(
                groups=[
                    SessionGroup(source=group.source, count=group.count, sessions=[SessionReply.of(item) for item in group.items])
                    for group in groups
                ],
                total=sum(group.count for group in groups),
            )
        page = await conversations.list(
            viewer, source=source, source_id=source_id, archived=archived, search=search, cursor=cursor, limit=limit
        )
        return SessionsReply(
            sessions=[SessionReply.of(item) for item in page.items], next_cursor=page.next_cursor, total=page.total
        )

    @router.post("", summary="Begin an empty conversation", status_code=201)
    async def create_session(principal: Writer, body: NewSession | None = None) -> SessionReply:
        body = body or NewSession()
        talk.check_names(body.persona, body.model)
        made = await conversations.create(
            source=body.source,
            title=body.title,
            source_id=body.source_id,
            owner_id=principal.id,
            person_id=principal.id,
            person_name=principal.name,
            persona=body.persona,
            model=body.model,
            system_prompt=body.system_prompt,
            sampling=checked(body.sampling) if body.sampling else None,
        )
        application.audit.record(AuditEvent("chat.create", "conversation", made.id, {"source": made.source}))
        return SessionReply.of(made)

    @router.post("/bulk-delete", summary="Delete several conversations")
    async def bulk_delete(principal: Writer, body: BulkDelete) -> BulkDeleted:
        deleted = await conversations.bulk_delete(Visibility.of(principal), body.session_ids)
        application.audit.record(AuditEvent("chat.bulk_delete", "conversation", details={"ids": deleted}))
        return BulkDeleted(deleted=len(deleted), ids=deleted)

    @router.get("/search", summary="Find messages by their words")
    async def search(
        principal: Reader,
        q: Annotated[str, Query(min_length=1, max_length=500)],
        source: Annotated[str | None, Query(max_length=32)] = None,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> HitsReply:
        found = await conversations.search(Visibility.of(principal), q, source=source, cursor=cursor, limit=limit)
        return HitsReply(hits=[HitReply.of(hit) for hit in found.items], next_cursor=found.next_cursor)

    @router.get("/{session_id}", summary="A conversation with its active branch")
    async def get_session(principal: Reader, session_id: str) -> SessionDetail:
        viewer = Visibility.of(principal)
        conversation = await conversations.get(viewer, session_id)
        branch = await conversations.path(viewer, session_id)
        return SessionDetail(session=SessionReply.of(conversation), messages=[MessageReply.of(item) for item in branch])

    @router.put("/{session_id}", summary="Rename, configure or archive a conversation")
    async def update_session(principal: Writer, session_id: str, body: SessionChange) -> SessionReply:
        talk.check_names(body.persona, body.model)
        changed = await conversations.update(Visibility.of(principal), session_id, body.changes())
        application.audit.record(AuditEvent("chat.update", "conversation", session_id, {"fields": sorted(body.model_fields_set)}))
        return SessionReply.of(changed)

    @router.delete("/{session_id}", summary="Delete a conversation with all its messages")
    async def delete_session(principal: Writer, session_id: str) -> Done:
        await conversations.delete(Visibility.of(principal), session_id)
        application.audit.record(AuditEvent("chat.delete", "conversation", session_id))
        return Done()

    @router.get("/{session_id}/export", summary="Download a conversation", response_class=Response)
    async def export(principal: Reader, session_id: str, format: Literal["json", "markdown", "txt"] = "json") -> Response:
        file = await conversations.export(Visibility.of(principal), session_id, format)
        application.audit.record(AuditEvent("chat.export", "conversation", session_id, {"format": format}))
        name = quote(file.filename)
        return Response(
            file.content, media_type=file.media_type, headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"}
        )

    # ---- talking ----

    @router.post("/{session_id}/messages", summary="Say something and wait for the whole reply", responses=ANSWERING)
    async def send(principal: Writer, session_id: str, body: NewMessage) -> ExchangeReply:
        return await talk.whole(principal, session_id, body.content, body.llm_override, parent_id=body.parent_id or "head")

    @router.post(
        "/{session_id}/stream",
        summary="Say something and read the reply as it comes",
        response_class=StreamingResponse,
        responses=STREAM,
    )
    async def stream(principal: Writer, session_id: str, body: NewMessage) -> StreamingResponse:
        return await talk.streamed(principal, session_id, body.content, body.llm_override, parent_id=body.parent_id or "head")

    @router.put(
        "/{session_id}/messages/{message_id}",
        summary="Reword what was said and answer it anew, on a branch of its own",
        response_model=ExchangeReply,
        responses=ANSWERING,
    )
    async def edit(principal: Writer, session_id: str, message_id: str, body: EditMessage) -> Any:
        answer = talk.streamed if body.stream else talk.whole
        return await answer(principal, session_id, body.content, body.llm_override, edit_of=message_id)

    @router.delete("/{session_id}/messages/{message_id}", summary="Delete a message and all that follows it")
    async def delete_message(principal: Writer, session_id: str, message_id: str) -> DeletedMessages:
        deleted = await conversations.delete_message(Visibility.of(principal), session_id, message_id)
        application.audit.record(AuditEvent("chat.delete_message", "conversation", session_id, {"message_id": message_id}))
        return DeletedMessages(deleted=deleted)

    @router.post(
        "/{session_id}/messages/{message_id}/regenerate",
        summary="Answer again, beside the earlier answer",
        response_model=ExchangeReply,
        responses=ANSWERING,
    )
    async def regenerate(principal: Writer, session_id: str, message_id: str, body: Regenerate | None = None) -> Any:
        body = body or Regenerate()
        answer = talk.streamed if body.stream else talk.whole
        return await answer(principal, session_id, "", body.llm_override, regenerate=message_id)

    @router.post("/{session_id}/messages/{message_id}/activate", summary="Show the branch of this message")
    async def activate(principal: Writer, session_id: str, message_id: str) -> SessionDetail:
        viewer = Visibility.of(principal)
        branch = await conversations.switch_branch(viewer, session_id, message_id)
        application.audit.record(AuditEvent("chat.activate_branch", "conversation", session_id, {"message_id": message_id}))
        conversation = await conversations.get(viewer, session_id)
        return SessionDetail(session=SessionReply.of(conversation), messages=[MessageReply.of(item) for item in branch])

    return router


class _Talk:
    """A turn over HTTP, whole or as it comes."""

    def __init__(self, application: Application) -> None:
        self._application = application

    def check_names(self, persona: str | None, model: str | None) -> None:
        """Raises `NotFound` for a persona or model that is not there."""
        if persona is not None:
            self._application.personas.get(persona)
        if model is not None:
            self._application.router.candidates(model, fallbacks=())

    def _options(self, principal: Principal, override: Override | None, place: dict[str, str]) -> dict[str, Any]:
        return {
            "person": Person(principal.id, principal.name, language=self._application.settings.language),
            "source": "admin",
            "owner_id": principal.id,
            "viewer": Visibility.of(principal),
            "overrides": override.to_overrides() if override else Overrides(),
            "capabilities": Capabilities(markdown=True, buttons=True, media=True),
            **place,
        }

    async def whole(
        self, principal: Principal, session_id: str, content: str, override: Override | None, **place: str
    ) -> ExchangeReply:
        await self._application.limits.check("chat", principal.id, principal.per_minute)
        stored: Stored | None = None
        stream = self._application.dialogue.converse(session_id, content, **self._options(principal, override, place))
        async with aclosing(stream) as items:  # type: ignore[type-var]  # an async generator
            async for item in items:
                if isinstance(item, Stored):
                    stored = item
        if stored is None:
            raise internal_error()
        return ExchangeReply(message=MessageReply.of(stored.user_message), response=MessageReply.of(stored.assistant_message))

    async def streamed(
        self, principal: Principal, session_id: str, content: str, override: Override | None, **place: str
    ) -> StreamingResponse:
        """Opens the turn first, so that wrong input is an ordinary error and not a broken stream."""
        await self._application.limits.check("chat", principal.id, principal.per_minute)
        stack = AsyncExitStack()
        turn = self._application.dialogue.begin(session_id, content, **self._options(principal, override, place))
        opened, items = await stack.enter_async_context(turn)
        return EventStreamResponse(self._events(MessageReply.of(opened.user_message), items), close=stack.aclose)

    async def _events(self, said: MessageReply, items: AsyncIterator[Any]) -> AsyncIterator[bytes]:
        yield event({"type": "user_message", "message": said.model_dump(mode="json")})
        try:
            async for item in items:
                if isinstance(item, TextDelta):
                    yield event({"type": "chunk", "content": item.text})
                elif isinstance(item, Stored) and item.error is None:
                    message = MessageReply.of(item.assistant_message).model_dump(mode="json")
                    yield event({"type": "assistant_message", "message": message})
                elif isinstance(item, Stored):
                    yield self._error(item.error, MessageReply.of(item.assistant_message))
                    break
        except SecretaryError as error:
            yield self._error(error, None)
        except Exception:
            log.exception("chat_stream_failed")
            yield self._error(internal_error(), None)
        yield DONE

    @staticmethod
    def _error(error: SecretaryError | None, message: MessageReply | None) -> bytes:
        shown = error or internal_error()
        return event(
            {
                "type": "error",
                "content": _.error(shown),
                "code": shown.code,
                "hint": _(shown.hint) if shown.hint else "",
                "message": message.model_dump(mode="json") if message else None,
            }
        )
