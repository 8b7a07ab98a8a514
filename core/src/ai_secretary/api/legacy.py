"""The original's entrances at the root: `/tts`, `/stt`, `/chat`, `/process_call`, `/reset_conversation`.

Each caller has a conversation of its own: `session_id` names it, and without one the caller's last goes on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Form, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.api.tts import MAX_TEXT, collect, spoken_file
from ai_secretary.conversations import Visibility
from ai_secretary.dialogue import Person, TextDelta
from ai_secretary.dialogue.service import Stored
from ai_secretary.errors import Forbidden, InvalidInput
from ai_secretary.ids import new_id
from ai_secretary.voice.codecs import wav_file
from ai_secretary.voice.uploads import read_upload

if TYPE_CHECKING:
    from ai_secretary.app import Application

_REMEMBERED = 10_000
_HEADER_CHARS = 1000
"""Characters of a text in a header: percent-encoded Cyrillic takes six bytes each, and clients bound headers at 8 to 16 KB."""


class SpeakBody(BaseModel):
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    language: str | None = Field(None, max_length=35, description="Default: the language of the text")
    voice: str | None = Field(None, max_length=200)


class HeardReply(BaseModel):
    text: str
    language: str | None
    segments_count: int


class ChatBody(BaseModel):
    text: str = Field(min_length=1, max_length=32_000)
    session_id: str | None = Field(None, max_length=64)


class ChatReply(BaseModel):
    response: str
    session_id: str


class ResetReply(BaseModel):
    status: Literal["ok"] = "ok"
    message: str


def header_text(text: str) -> str:
    """Text for a header: UTF-8, percent-encoded (the value part of RFC 8187), cut where headers get too long."""
    shown = text if len(text) <= _HEADER_CHARS else text[: _HEADER_CHARS - 1] + "…"
    return quote(shown, safe=" !#$&+-.^_`|~,:;?()'/")


class _Sessions:
    """Caller → conversation that goes on when none is named."""

    def __init__(self) -> None:
        self._last: OrderedDict[str, str] = OrderedDict()

    def last(self, principal: Principal) -> str | None:
        return self._last.get(principal.id)

    def remember(self, principal: Principal, conversation_id: str) -> None:
        self._last[principal.id] = conversation_id
        self._last.move_to_end(principal.id)
        while len(self._last) > _REMEMBERED:
            self._last.popitem(last=False)

    def forget(self, principal: Principal) -> bool:
        return self._last.pop(principal.id, None) is not None


class _Reply:
    """One turn: iterate `texts`, then read `text` and `session_id`."""

    def __init__(self, application: Application, principal: Principal, sessions: _Sessions) -> None:
        self._application = application
        self._principal = principal
        self._sessions = sessions
        self._parts: list[str] = []
        self.session_id = ""

    @property
    def text(self) -> str:
        return "".join(self._parts)

    async def texts(self, text: str, session_id: str | None) -> AsyncGenerator[str, None]:
        principal = self._principal
        stream = self._application.dialogue.converse(
            session_id or self._sessions.last(principal),
            text,
            person=Person(principal.id, principal.name),
            source="api",
            owner_id=principal.id,
            viewer=Visibility(principal.id),
        )
        async with aclosing(stream) as events:  # type: ignore[type-var]  # an async generator
            async for event in events:
                if isinstance(event, TextDelta):
                    self._parts.append(event.text)
                    yield event.text
                elif isinstance(event, Stored):
                    self.session_id = event.conversation_id
                    self._sessions.remember(principal, event.conversation_id)


def build_router(application: Application) -> APIRouter:
    router = APIRouter(tags=["legacy"], responses=ERRORS)
    voice = application.voice
    sessions = _Sessions()

    @router.post("/tts", summary="Speak a text into a wav file", response_class=Response)
    async def tts(body: SpeakBody, principal: Annotated[Principal, Depends(require("v1:audio"))]) -> Response:
        return await spoken_file(voice, body.text, voice_id=body.voice, language=body.language)

    @router.post("/stt", summary="Speech to text")
    async def stt(
        principal: Annotated[Principal, Depends(require("v1:audio"))], audio: Annotated[UploadFile, File()]
    ) -> HeardReply:
        transcript = await voice.transcribe(await read_upload(audio))
        return HeardReply(text=transcript.text, language=transcript.language, segments_count=len(transcript.segments))

    @router.post("/chat", summary="Ask the secretary")
    async def chat(body: ChatBody, principal: Annotated[Principal, Depends(require("v1:chat"))]) -> ChatReply:
        application.access.check_budget(principal)
        reply = _Reply(application, principal, sessions)
        async for _ in reply.texts(body.text, body.session_id):
            pass
        return ChatReply(response=reply.text, session_id=reply.session_id)

    @router.post(
        "/process_call",
        summary="Hear a recording, answer it, speak the answer",
        description="Answers a wav file. X-Recognized-Text and X-Response-Text are UTF-8, percent-encoded.",
        response_class=Response,
    )
    async def process_call(
        principal: Annotated[Principal, Depends(require("v1:audio"))],
        audio: Annotated[UploadFile, File()],
        session_id: Annotated[str | None, Form(max_length=64)] = None,
        voice_id: Annotated[str | None, Form(alias="voice", max_length=200)] = None,
    ) -> Response:
        if not principal.allows("v1:chat"):
            raise Forbidden(
                "This key may listen and speak, but not ask", code="missing_permission", hint="It needs the scope v1:chat."
            )
        # The HTTP layer has counted it as a chat request; it is one of each.
        for group in ("stt", "tts"):
            await application.limits.check(group, principal.id)
        application.access.check_budget(principal)
        heard = await voice.transcribe(await read_upload(audio))
        if not heard.text.strip():
            raise InvalidInput("Nothing was said in the recording", code="nothing_heard", field="audio")
        reply = _Reply(application, principal, sessions)
        # Spoken while the model still writes; the headers need the whole text, so the file is sent when it is done.
        sound = await collect(voice.speak_stream(reply.texts(heard.text, session_id), voice=voice_id))
        headers = {
            "X-Call-ID": new_id("call"),
            "X-Session-ID": reply.session_id,
            "X-Recognized-Text": header_text(heard.text),
            "X-Response-Text": header_text(reply.text),
        }
        if sound is None:
            return Response(status_code=204, headers=headers)
        return Response(wav_file(sound), media_type="audio/wav", headers=headers)

    @router.post("/reset_conversation", summary="Begin a new conversation with the next question")
    async def reset(principal: Annotated[Principal, Depends(require("v1:chat"))]) -> ResetReply:
        was = sessions.forget(principal)
        return ResetReply(message="The next question begins a new conversation" if was else "There was no conversation to leave")

    return router
