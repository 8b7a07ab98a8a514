"""`POST /v1/audio/speech`: speech in any format, sent as it is made. Bare ASGI: the first bytes are what callers wait for."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import structlog
from starlette.responses import Response

from ai_secretary.api.v1.asgi import ClientGone, Departure, EventStream, Headers, Receive, Scope, Send, read_body, respond
from ai_secretary.api.v1.failures import error_body, error_event, invalid_body, retry_after_header, status_of
from ai_secretary.errors import Forbidden, InvalidInput, NotFound, SecretaryError
from ai_secretary.speech import AudioChunk
from ai_secretary.voice.codecs import MEDIA_TYPES, PCM_RATE, Format, check_format, encode_stream
from ai_secretary.voice.primed import Primed, prime

if TYPE_CHECKING:
    from ai_secretary.access import Principal
    from ai_secretary.app import Application

log = structlog.get_logger(__name__)

MAX_INPUT = 4096
"""Characters, as at OpenAI."""
_STOCK_MODELS = ("tts-1", "tts-1-hd", "gpt-4o-mini-tts", "default", "auto")
_encode = msgspec.json.Encoder().encode


class VoiceId(msgspec.Struct):
    id: str


class SpeechIn(msgspec.Struct):
    """Unknown fields are skipped; `instructions` are accepted, voices that cannot follow them ignore them."""

    input: str
    model: str = "tts-1"
    voice: str | VoiceId | None = None
    response_format: str = "mp3"
    speed: Annotated[float, msgspec.Meta(ge=0.25, le=4.0)] | None = None
    instructions: str | None = None
    stream_format: Literal["audio", "sse"] = "audio"
    language: str | None = None
    """Ours: ISO 639-1; default is the language of the text."""
    sample_rate: Annotated[int, msgspec.Meta(ge=4000, le=192_000)] | None = None
    """Ours: Hz; default is the voice's own (24 kHz for pcm)."""


_decoder = msgspec.json.Decoder(SpeechIn)


def parse_speech(body: bytes) -> SpeechIn:
    """Raises `InvalidInput` with the path of the wrong field."""
    try:
        request = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise invalid_body(error) from error
    if not request.input.strip():
        raise InvalidInput("The text to speak is empty", code="empty_input", field="input")
    if len(request.input) > MAX_INPUT:
        raise InvalidInput(
            "The text has {length} characters, the limit is {limit}",
            length=len(request.input),
            limit=MAX_INPUT,
            code="string_above_max_length",
            field="input",
            hint="Send it in parts, at sentence ends.",
        )
    return request


def _voice_name(request: SpeechIn, application: Application) -> str | None:
    """The voice that `voice` and `model` mean together: a model may name an engine or a voice of ours."""
    voice = request.voice.id if isinstance(request.voice, VoiceId) else request.voice
    model = request.model
    if model.startswith(_STOCK_MODELS) or model.endswith("-voice") or model == voice:
        return voice
    voices = application.voice.voices()
    if any(info.id == model for info in voices):
        return voice if voice and any(info.id == voice for info in voices) else model
    if any(info.engine == model for info in voices):
        return (
            voice
            if not voice or "/" in voice or application.registries.find_voice(f"{model}/{voice}") is None
            else f"{model}/{voice}"
        )
    raise NotFound(
        "There is no speech model {model}",
        model=model,
        code="model_not_found",
        field="model",
        hint="Use tts-1, an engine or a voice id.",
    )


async def open_speech(request: SpeechIn, application: Application) -> tuple[Primed[bytes], Format]:
    """The encoded answer with its first bytes made; every refusal is raised here."""
    audio_format = check_format(request.response_format)
    chunks = application.voice.speak(
        request.input, voice=_voice_name(request, application), language=request.language, speed=request.speed
    )
    first = await prime(chunks)
    if first.empty:
        raise InvalidInput("There is nothing in the text that can be spoken", code="empty_input", field="input")
    rate = PCM_RATE if audio_format == "pcm" else request.sample_rate
    return await prime(encode_stream(_all(first), audio_format, rate)), audio_format


async def _all(primed: Primed[AudioChunk]) -> AsyncGenerator[AudioChunk, None]:
    try:
        async for chunk in primed:
            yield chunk
    finally:
        await primed.aclose()


async def speech(scope: Scope, receive: Receive, send: Send, application: Application, principal: Principal) -> None:
    """Answer the request. Errors before the first byte are OpenAI error objects; later ones end the connection."""
    headers = {bytes(name).lower(): bytes(value) for name, value in scope["headers"]}
    try:
        if not principal.allows("v1:audio"):
            raise Forbidden("This key may not use audio", code="permission_denied", hint="It needs the scope v1:audio.")
        await application.limits.check("tts", principal.id, principal.per_minute)
        limit = min(application.settings.max_body_mb, 1) * 1024 * 1024
        body = await read_body(receive, limit, headers.get(b"content-encoding", b""), headers.get(b"content-length", b""))
        request = parse_speech(body)
        async with Departure(receive):
            audio, audio_format = await open_speech(request, application)
            async with aclosing(audio):
                if request.stream_format == "sse":
                    await _send_events(send, audio, request)
                else:
                    await send_stream(send, audio, [(b"content-type", MEDIA_TYPES[audio_format].encode())])
    except ClientGone:
        return
    except SecretaryError as error:
        await respond(
            send, status_of(error), [(b"content-type", b"application/json"), *retry_after_header(error)], error_body(error)
        )


class Interrupted(Exception):
    """An engine failed in the middle of an answer: the connection is cut, so that nobody takes half of it for the whole."""


async def send_stream(send: Send, audio: Primed[bytes], headers: Headers) -> None:
    """Bytes as they come. A failure after the first byte raises `Interrupted`, which ends the connection."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [*headers, (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")],
        }
    )
    try:
        async for data in audio:
            await send({"type": "http.response.body", "body": data, "more_body": True})
    except SecretaryError as error:
        log.warning("speech_interrupted", code=error.code, reason=error.message)
        raise Interrupted(error.message) from error
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _send_events(send: Send, audio: Primed[bytes], request: SpeechIn) -> None:
    stream = EventStream(
        send,
        [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")],
    )
    try:
        async for data in audio:
            await stream.write(_event({"type": "speech.audio.delta", "audio": base64.b64encode(data).decode()}))
        # Characters stand in for tokens: that is what a voice consumes.
        usage = {"input_tokens": len(request.input), "output_tokens": 0, "total_tokens": len(request.input)}
        await stream.write(_event({"type": "speech.audio.done", "usage": usage}))
        await stream.end()
    except SecretaryError as error:
        await stream.write(error_event(error))
        await stream.end()
    finally:
        stream.stop()


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + _encode(value) + b"\n\n"


class AudioStream(Response):
    """A Starlette response around a primed stream: closes it when the client goes away."""

    def __init__(self, audio: Primed[bytes], media_type: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(media_type=media_type, headers=headers)
        self._audio = audio

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]
        try:
            async with aclosing(self._audio), Departure(receive):
                await send_stream(send, self._audio, headers)
        except ClientGone:
            return


__all__ = ["AudioStream", "Interrupted", "SpeechIn", "open_speech", "parse_speech", "send_stream", "speech"]
