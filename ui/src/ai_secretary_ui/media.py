"""Sound between the browser and the server: speech as it is made, and recordings to be recognised. Session cookie only."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ai_secretary.errors import SecretaryError
from ai_secretary.i18n import LANGUAGES, Translator
from ai_secretary.ids import new_id
from ai_secretary_ui import house
from ai_secretary_ui.shell.login import same_origin
from ai_secretary_ui.shell.session import identify

if TYPE_CHECKING:
    from ai_secretary.voice import Voice

log = structlog.get_logger(__name__)
_ = Translator("ui")

TICKET_SECONDS = 120.0
MOST_TICKETS = 500
MAX_RECORDING_BYTES = 25 * 1024 * 1024
MAX_RECORDING_SECONDS = 300.0


@dataclass(slots=True)
class SpeechOrder:
    """Something to be said once: a whole text, or pieces that are still being written."""

    principal_id: str
    text: str = ""
    pieces: AsyncIterator[str] | None = None
    voice: str | None = None
    language: str | None = None
    speed: float | None = None
    parameters: Mapping[str, float | int | str | bool] | None = None
    made: float = field(default_factory=time.monotonic)


class SpeechTickets:
    """Orders by an unguessable ticket, so that long texts do not travel in addresses and each is spoken once."""

    def __init__(self) -> None:
        self._orders: dict[str, SpeechOrder] = {}

    def offer(self, order: SpeechOrder) -> str:
        """The address at which this reader hears the order."""
        present = time.monotonic()
        for ticket in [ticket for ticket, known in self._orders.items() if present - known.made > TICKET_SECONDS]:
            del self._orders[ticket]
        while len(self._orders) >= MOST_TICKETS:
            del self._orders[next(iter(self._orders))]
        ticket = new_id("say")
        self._orders[ticket] = order
        return f"/ui/media/speech/{ticket}"

    def take(self, ticket: str, principal_id: str) -> SpeechOrder | None:
        order = self._orders.get(ticket)
        if order is None or order.principal_id != principal_id or time.monotonic() - order.made > TICKET_SECONDS:
            return None
        del self._orders[ticket]
        return order


tickets = SpeechTickets()


def _problem(error: SecretaryError) -> Response:
    return JSONResponse({"code": error.code, "message": _.error(error), "hint": error.hint}, error.status)


async def speech(request: Request) -> Response:
    """`GET /ui/media/speech/{ticket}`: wav, sent as it is made. The first sound is waited for, so that a failure is an error."""
    from ai_secretary.voice import codecs

    visitor = identify(request)
    if visitor is None:
        return JSONResponse({"code": "unauthenticated"}, 401)
    order = tickets.take(request.path_params["ticket"], visitor.principal.id)
    if order is None:
        return JSONResponse({"code": "not_found", "message": _("This was already said")}, 404)
    voice = house.current().voice
    if order.pieces is not None:
        chunks = voice.speak_stream(
            order.pieces, voice=order.voice, language=order.language, speed=order.speed, parameters=order.parameters
        )
    else:
        chunks = voice.speak(
            order.text, voice=order.voice, language=order.language, speed=order.speed, parameters=order.parameters
        )
    encoded = codecs.encode_stream(chunks, "wav")
    try:
        first = await anext(encoded, b"")
    except SecretaryError as error:
        return _problem(error)

    async def body() -> AsyncIterator[bytes]:
        try:
            yield first
            async for piece in encoded:
                yield piece
        except SecretaryError as error:
            # the sound breaks off; what was already heard stays, and the page says so by the missing end
            log.warning("speech_broke_off", code=error.code)
        finally:
            close = getattr(encoded, "aclose", None)
            if close is not None:
                await close()

    return StreamingResponse(body(), media_type="audio/wav", headers={"cache-control": "no-store"})


def general_recognizer(voice: Voice) -> str | None:
    """Who hears a person whose language nobody knows: one that understands all of ours, even if it is still loading.

    None leaves the choice to the house: an administrator has made it, or there is no such recogniser.
    """
    if voice.preferences.recognizer:
        return None
    able = [
        info
        for info in voice.recognizers()
        if info.state != "unavailable" and (info.languages is None or set(LANGUAGES) <= set(info.languages))
    ]
    able.sort(key=lambda info: (("ready", "idle", "loading").index(info.state), -(info.size_bytes or 0)))
    return able[0].id if able else None


async def transcribe(request: Request) -> Response:
    """`POST /ui/media/transcribe?language=ru`: a recording as the body, its text as JSON."""
    visitor = identify(request)
    if visitor is None:
        return JSONResponse({"code": "unauthenticated"}, 401)
    if not same_origin(request) or not visitor.principal.allows("chat:write"):
        return JSONResponse({"code": "forbidden", "message": _("This is not open to you")}, 403)
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > MAX_RECORDING_BYTES:
            return JSONResponse({"code": "audio_too_large", "message": _("The recording is too long")}, 413)
    language = request.query_params.get("language") or None
    if language is not None and language not in LANGUAGES:
        language = None
    try:
        voice = house.current().voice
        recognizer = general_recognizer(voice) if language is None else None
        if language is None and recognizer is None and not voice.preferences.recognizer:
            language = visitor.language  # specialists only: the reader's language is the best guess
        found = await voice.transcribe(bytes(data), language=language, recognizer=recognizer)
    except SecretaryError as error:
        return _problem(error)
    return JSONResponse({"text": found.text.strip(), "language": found.language, "duration": found.duration})
