"""`/admin/tts`: speech as PCM by HTTP and WebSocket, intonation presets, phrase cache, reading aloud."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Depends, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from pydantic import BaseModel, Field, ValidationError

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.api.v1.speech import AudioStream
from ai_secretary.audit import AuditEvent
from ai_secretary.errors import InvalidInput, SecretaryError
from ai_secretary.speech import Audio, AudioChunk
from ai_secretary.voice import VoicePreferences
from ai_secretary.voice.clauses import cut
from ai_secretary.voice.codecs import wav_file
from ai_secretary.voice.language import detect
from ai_secretary.voice.normalization import normalise_off_loop
from ai_secretary.voice.presets import Preset
from ai_secretary.voice.primed import prime

if TYPE_CHECKING:
    from ai_secretary.app import Application
    from ai_secretary.voice import Voice

MAX_TEXT = 10_000
"""Characters in one request; a longer text is a file, not an utterance."""
FULL_RATE = 24_000
"""Hz where the caller asks for `null`."""


class StreamRequest(BaseModel):
    """The defaults are a telephone's."""

    text: str = Field(min_length=1, max_length=MAX_TEXT)
    voice: str | None = Field(None, max_length=200)
    language: str | None = Field(None, max_length=35, description="Default: the language of the text")
    preset: str | None = Field(None, max_length=64)
    speed: float | None = Field(None, ge=0.25, le=4.0)
    target_sample_rate: int | None = Field(8000, ge=4000, le=192_000, description="Hz; null: 24000")
    stream_chunk_size: int = Field(20, ge=1, le=500, description="For engines that generate in steps of tokens")
    output_format: Literal["pcm16", "float32"] = "pcm16"
    normalise: bool = Field(True, description="Say numbers, dates and abbreviations in words")


class TestRequest(BaseModel):
    text: str = Field(min_length=1, max_length=MAX_TEXT)
    preset: str | None = Field(None, max_length=64)
    voice: str | None = Field(None, max_length=200)
    speed: float | None = Field(None, ge=0.25, le=4.0)


class PresetChoice(BaseModel):
    preset: str = Field(min_length=1, max_length=64)


class PresetBody(BaseModel):
    name: str = Field(min_length=1, max_length=64)
    params: dict[str, float | int] = Field(default_factory=dict)


class PresetParams(BaseModel):
    params: dict[str, float | int] = Field(default_factory=dict)


class PresetReply(BaseModel):
    name: str
    display_name: str
    builtin: bool
    settings: dict[str, float | int]

    @classmethod
    def of(cls, preset: Preset) -> PresetReply:
        return cls(name=preset.name, display_name=preset.title, builtin=preset.builtin, settings=preset.intonation.model_dump())


class PresetsReply(BaseModel):
    presets: list[PresetReply]
    current: str


class PresetSaved(BaseModel):
    status: Literal["ok"] = "ok"
    preset: PresetReply


class CacheReply(BaseModel):
    cache_size: int
    """Phrases."""
    cache_bytes: int
    max_cache_size: int
    """Bytes."""
    hits: int
    misses: int
    active_sessions: int
    """Replies being spoken now."""


class NormaliseRequest(BaseModel):
    text: str = Field(max_length=MAX_TEXT)
    language: str | None = Field(None, max_length=35)


class NormaliseReply(BaseModel):
    language: str
    spoken: str
    clauses: list[str]


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/tts", tags=["tts"], responses=ERRORS)
    voice = application.voice
    _presets(router, application)

    @router.get("/preferences", summary="How the secretary speaks")
    async def get_preferences(principal: Annotated[Principal, Depends(require("tts:read"))]) -> VoicePreferences:
        return voice.preferences

    @router.put("/preferences", summary="Change how the secretary speaks")
    async def put_preferences(
        body: VoicePreferences, principal: Annotated[Principal, Depends(require("tts:write"))]
    ) -> VoicePreferences:
        await voice.save_preferences(body)
        application.audit.record(AuditEvent(action="tts.preferences", resource="tts", details=body.model_dump()))
        return body

    @router.post("/test", summary="Speak a text into a wav file", response_class=Response)
    async def test(body: TestRequest, principal: Annotated[Principal, Depends(require("tts:write"))]) -> Response:
        return await spoken_file(voice, body.text, voice_id=body.voice, preset=body.preset, speed=body.speed)

    @router.get("/cache", summary="Phrases that are kept as sound")
    async def cache(principal: Annotated[Principal, Depends(require("tts:read"))]) -> CacheReply:
        stats = voice.cache_stats()
        return CacheReply(
            cache_size=stats.phrases,
            cache_bytes=stats.bytes,
            max_cache_size=stats.max_bytes,
            hits=stats.hits,
            misses=stats.misses,
            active_sessions=voice.active,
        )

    @router.delete("/cache", summary="Forget the phrases that are kept as sound")
    async def clear_cache(principal: Annotated[Principal, Depends(require("tts:write"))]) -> dict[str, str | int]:
        cleared = voice.clear_cache()
        application.audit.record(AuditEvent(action="tts.cache_clear", resource="tts", details={"phrases": cleared}))
        return {"status": "ok", "cleared_items": cleared}

    @router.post("/normalise", summary="How a text will be read aloud")
    async def normalise(body: NormaliseRequest, principal: Annotated[Principal, Depends(require("tts:read"))]) -> NormaliseReply:
        language = body.language or detect(body.text)
        clauses = [await normalise_off_loop(piece, language) for piece in cut(body.text)]
        return NormaliseReply(
            language=language, spoken=await normalise_off_loop(body.text, language), clauses=[piece for piece in clauses if piece]
        )

    @router.post("/stream", summary="Speak a text as raw PCM, sent as it is made", response_class=Response)
    async def stream(body: StreamRequest, principal: Annotated[Principal, Depends(require("v1:audio"))]) -> Response:
        rate = body.target_sample_rate or FULL_RATE
        audio = await prime(_pcm(voice, body, rate))
        if audio.empty:
            raise InvalidInput("There is nothing in the text that can be spoken", code="empty_input", field="text")
        return AudioStream(
            audio,
            "application/octet-stream",
            {
                "X-Sample-Rate": str(rate),
                "X-Channels": "1",
                "X-Format": body.output_format,
                "X-First-Chunk-Ms": f"{audio.first_ms:.1f}",
            },
        )

    @router.websocket("/ws/stream")
    async def websocket_stream(websocket: WebSocket, principal: Annotated[Principal, Depends(require("v1:audio"))]) -> None:
        await _Talk(websocket, application, principal).run()

    return router


def _presets(router: APIRouter, application: Application) -> None:
    voice = application.voice
    presets = voice.presets

    @router.get("/presets", summary="Intonation presets, built-in and own")
    async def all_presets(principal: Annotated[Principal, Depends(require("tts:read"))]) -> PresetsReply:
        return PresetsReply(presets=[PresetReply.of(preset) for preset in presets.all()], current=voice.preferences.preset)

    @router.post("/preset", summary="Choose the intonation preset")
    async def choose(body: PresetChoice, principal: Annotated[Principal, Depends(require("tts:write"))]) -> dict[str, Any]:
        preset = presets.get(body.preset)
        await voice.save_preferences(voice.preferences.model_copy(update={"preset": preset.name}))
        application.audit.record(AuditEvent(action="tts.preset", resource="tts_preset", resource_id=preset.name))
        reply = PresetReply.of(preset)
        return {"status": "ok", "preset": reply.name, "display_name": reply.display_name, "settings": reply.settings}

    @router.get("/presets/custom", summary="Own intonation presets")
    async def custom(principal: Annotated[Principal, Depends(require("tts:read"))]) -> PresetsReply:
        return PresetsReply(presets=[PresetReply.of(preset) for preset in presets.custom()], current=voice.preferences.preset)

    @router.post("/presets/custom", summary="Make an intonation preset", status_code=201)
    async def create(body: PresetBody, principal: Annotated[Principal, Depends(require("tts:write"))]) -> PresetSaved:
        preset = await presets.create(body.name, body.params)
        application.audit.record(AuditEvent(action="tts.preset_create", resource="tts_preset", resource_id=preset.name))
        return PresetSaved(preset=PresetReply.of(preset))

    @router.put("/presets/custom/{name}", summary="Change an own intonation preset")
    async def update(
        name: str, body: PresetParams, principal: Annotated[Principal, Depends(require("tts:write"))]
    ) -> PresetSaved:
        preset = await presets.update(name, body.params)
        application.audit.record(AuditEvent(action="tts.preset_update", resource="tts_preset", resource_id=name))
        return PresetSaved(preset=PresetReply.of(preset))

    @router.delete("/presets/custom/{name}", summary="Delete an own intonation preset")
    async def delete(name: str, principal: Annotated[Principal, Depends(require("tts:write"))]) -> dict[str, str]:
        await presets.delete(name)
        if voice.preferences.preset == name:
            await voice.save_preferences(voice.preferences.model_copy(update={"preset": "natural"}))
        application.audit.record(AuditEvent(action="tts.preset_delete", resource="tts_preset", resource_id=name))
        return {"status": "ok", "deleted": name}


async def _pcm(voice: Voice, body: StreamRequest, rate: int) -> AsyncGenerator[bytes, None]:
    """Samples in the asked format. `stream_chunk_size` goes to engines that know it."""
    stepping = any(info.id == body.voice and "stream_chunk_size" in info.parameters for info in voice.voices())
    chunks = voice.speak(
        body.text,
        voice=body.voice,
        language=body.language,
        speed=body.speed,
        sample_rate=rate,
        preset=body.preset,
        normalise=body.normalise,
        parameters={"stream_chunk_size": body.stream_chunk_size} if stepping else None,
    )
    async with aclosing(chunks):
        async for chunk in chunks:
            yield chunk.pcm if body.output_format == "pcm16" else _float32(chunk)


def _float32(chunk: AudioChunk) -> bytes:
    return (np.frombuffer(chunk.pcm, dtype="<i2").astype("<f4") / 32768.0).tobytes()


async def spoken_file(
    voice: Voice,
    text: str,
    *,
    voice_id: str | None = None,
    preset: str | None = None,
    speed: float | None = None,
    language: str | None = None,
) -> Response:
    """A whole wav file with the times that it took. Raises `InvalidInput` where there is nothing to say."""
    started = time.perf_counter()
    audio = await collect(voice.speak(text, voice=voice_id, preset=preset, speed=speed, language=language))
    if audio is None:
        raise InvalidInput("There is nothing in the text that can be spoken", code="empty_input", field="text")
    elapsed = time.perf_counter() - started
    headers = {
        "X-Duration-Sec": f"{audio.duration:.3f}",
        "X-Synthesis-Time-Sec": f"{elapsed:.3f}",
        "X-RTF": f"{elapsed / audio.duration:.3f}",
    }
    return Response(wav_file(audio), media_type="audio/wav", headers=headers)


async def collect(chunks: AsyncGenerator[AudioChunk, None]) -> Audio | None:
    """All chunks as one recording; None where nothing was said."""
    parts: list[AudioChunk] = []
    async with aclosing(chunks):
        async for chunk in chunks:
            parts.append(chunk)
    return Audio(b"".join(part.pcm for part in parts), parts[0].sample_rate) if parts else None


class _Talk:
    """One WebSocket: a JSON request, `{"status": "starting"}`, binary PCM, `{"done": true}`; then the next request.

    `{"action": "stop"}` ends the speech that sounds.
    """

    def __init__(self, websocket: WebSocket, application: Application, principal: Principal) -> None:
        self._socket = websocket
        self._application = application
        self._principal = principal

    async def run(self) -> None:
        await self._socket.accept()
        requests: asyncio.Queue[str | None] = asyncio.Queue(maxsize=8)
        reader = self._application.tasks.spawn(self._read(requests), name="tts-websocket")
        try:
            while (text := await requests.get()) is not None:
                await self._answer(text, requests)
        except WebSocketDisconnect:
            return
        finally:
            reader.cancel()

    async def _read(self, requests: asyncio.Queue[str | None]) -> None:
        try:
            while True:
                await requests.put(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError, RuntimeError):
            # Gone, or sent bytes where text was expected: either way the conversation is over.
            await requests.put(None)

    async def _answer(self, text: str, requests: asyncio.Queue[str | None]) -> None:
        try:
            body = StreamRequest.model_validate_json(text)
            await self._application.limits.check("tts", self._principal.id)
            await self._speak(body, requests)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            await self._socket.send_json(
                {"error": f"{field}: {first['msg']}" if field else first["msg"], "code": "invalid_input"}
            )
        except SecretaryError as error:
            await self._socket.send_json({"error": error.message, "code": error.code, "hint": error.hint})

    async def _speak(self, body: StreamRequest, requests: asyncio.Queue[str | None]) -> None:
        started = time.perf_counter()
        rate = body.target_sample_rate or FULL_RATE
        audio = await prime(_pcm(self._application.voice, body, rate))
        async with aclosing(audio):
            await self._socket.send_json({"status": "starting", "sample_rate": rate, "format": body.output_format})
            count = 0
            stopped = False
            async for data in audio:
                await self._socket.send_bytes(data)
                count += 1
                stopped = self._stop_asked(requests)
                if stopped:
                    break
        total = (time.perf_counter() - started) * 1000
        done = {"done": True, "first_chunk_ms": round(audio.first_ms, 1), "total_ms": round(total, 1), "chunks": count}
        await self._socket.send_json({**done, "stopped": True} if stopped else done)

    @staticmethod
    def _stop_asked(requests: asyncio.Queue[str | None]) -> bool:
        if requests.empty():
            return False
        waiting = requests.get_nowait()
        if waiting is None:
            raise WebSocketDisconnect(1001)
        if '"stop"' in waiting and '"action"' in waiting:
            return True
        requests.put_nowait(waiting)
        return False
