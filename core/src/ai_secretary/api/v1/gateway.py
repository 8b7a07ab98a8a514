"""The hot path: raw ASGI in front of FastAPI. Who asks and whether they may is decided in memory, before anything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from ai_secretary.access import Principal
from ai_secretary.api.problems import internal_error, openai_error_body
from ai_secretary.api.security import authorize
from ai_secretary.api.v1.asgi import JSON, ClientGone, Receive, Scope, Send, read_body, respond
from ai_secretary.api.v1.call import Call
from ai_secretary.api.v1.catalogue import Catalogue
from ai_secretary.api.v1.embeddings import serve_embeddings
from ai_secretary.api.v1.failures import for_client
from ai_secretary.api.v1.passthrough import PassThrough
from ai_secretary.api.v1.persona import PersonaChat
from ai_secretary.api.v1.requests import decode_chat, decode_embeddings
from ai_secretary.api.v1.speech import Interrupted, speech
from ai_secretary.context import RequestContext, request_context
from ai_secretary.errors import NotFound, SecretaryError
from ai_secretary.ids import new_id

if TYPE_CHECKING:
    from ai_secretary.app import Application

log = structlog.get_logger(__name__)

Serve = Callable[[Call, bytes], Awaitable[None]]

_MODEL_PREFIX = "/v1/models/"
_SPEECH = "/v1/audio/speech"
PING_S = 10.0
"""Seconds of silence after which a stream gets a comment."""


class Gateway:
    """`handles` says which requests are its own; they never reach FastAPI."""

    def __init__(self, application: Application, *, ping_s: float = PING_S) -> None:
        self._application = application
        self._access = application.access
        self._limits = application.limits
        self._registries = application.registries
        self._journal = application.journal
        self._limit = application.settings.max_body_mb * 1024 * 1024
        self._catalogue = Catalogue(application.registries, application.personas)
        self._personas = application.personas
        self.through = PassThrough(application.journal, ping_s=ping_s)
        self.persona = PersonaChat(application, ping_s=ping_s)
        self._posts: dict[str, tuple[str, str, Serve]] = {
            "/v1/chat/completions": ("v1:chat", "chat", self._chat),
            "/v1/embeddings": ("v1:embeddings", "chat", self._embeddings),
        }

    def handles(self, scope: Scope) -> bool:
        """Whether this request is answered here. Other methods on these paths are FastAPI's, which says 405."""
        if scope["type"] != "http":
            return False
        path: str = scope["path"]
        if not path.startswith("/v1/"):
            return False
        if scope["method"] == "POST":
            return path in self._posts or (path := path.rstrip("/")) in self._posts or path == _SPEECH
        return scope["method"] in {"GET", "HEAD"} and (path.rstrip("/") == "/v1/models" or path.startswith(_MODEL_PREFIX))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        encoding = length = conversation = b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-encoding":
                encoding = value.strip().lower()
            elif name == b"x-conversation-id":
                conversation = value
        context = request_context.get()
        alone = context is None
        if context is None:
            client = scope.get("client")
            context = RequestContext(new_id("req"), client[0] if client else "")
            request_context.set(context)
        try:
            path: str = scope["path"]
            if path.rstrip("/") == _SPEECH:
                principal = authorize(self._access, scope, "v1:audio")
                await speech(scope, receive, send, self._application, principal)
                return
            if scope["method"] == "POST":
                permission, group, serve = self._posts.get(path) or self._posts[path.rstrip("/")]
            else:
                permission, group, serve = "v1:models", "default", None
            principal = authorize(self._access, scope, permission)
            await self._admit(principal, group)
            call = Call(principal, context, receive, send, conversation.decode("latin-1"), alone=alone)
            if serve is None:
                await self._models(call, path, head=scope["method"] == "HEAD")
            else:
                await serve(call, await read_body(receive, self._limit, encoding, length))
        except (ClientGone, Interrupted) as error:
            if isinstance(error, Interrupted):
                raise  # the server cuts the connection, so that nobody takes half an answer for the whole
            return
        except Exception as error:
            shown = error if isinstance(error, SecretaryError) else internal_error()
            if shown is not error:
                log.exception("v1_request_failed", path=scope["path"])
            status, headers, body = openai_error_body(for_client(shown))
            if alone:
                headers.append((b"x-request-id", context.request_id.encode("latin-1")))
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _admit(self, principal: Principal, group: str) -> None:
        if self._limits.shared:
            await self._limits.check(group, principal.id, principal.per_minute)
        else:
            self._limits.check_fast(group, principal.id, principal.per_minute)

    async def _chat(self, call: Call, body: bytes) -> None:
        chat = decode_chat(body)
        model = self._registries.find_model(chat.model) if "/" in chat.model else None
        if model is not None:
            # A persona's turn is checked by the pipeline's own stage, after the FAQ, which costs nothing.
            self._access.check_budget(call.principal)
            await self.through.serve(call, model, chat, body)
            return
        persona = self._personas.find(chat.model)
        if persona is None or not persona.enabled:
            raise _unknown(chat.model)
        await self.persona.serve(call, persona, chat)

    async def _embeddings(self, call: Call, body: bytes) -> None:
        wanted = decode_embeddings(body)
        model = self._registries.find_model(wanted.model)
        if model is None:
            raise _unknown(wanted.model)
        self._access.check_budget(call.principal)
        await serve_embeddings(call, model, wanted, self._journal)

    async def _models(self, call: Call, path: str, *, head: bool) -> None:
        model_id = path.removeprefix(_MODEL_PREFIX).strip("/") if path.startswith(_MODEL_PREFIX) else ""
        if model_id:
            body = self._catalogue.one(model_id)
            if body is None:
                raise _unknown(model_id)
        else:
            body = self._catalogue.list()
        headers = call.headers(JSON)
        if head:
            headers.append((b"content-length", b"%d" % len(body)))
            await call.send({"type": "http.response.start", "status": 200, "headers": headers})
            await call.send({"type": "http.response.body", "body": b""})
            return
        await respond(call.send, 200, headers, body)


def _unknown(model: str) -> NotFound:
    return NotFound(
        "The model '{model}' does not exist or you do not have access to it",
        model=model[:200],
        field="model",
        code="model_not_found",
        hint="GET /v1/models lists what there is.",
    )
