"""`/admin/voices`: which voices there are, which one speaks, how each sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import Response
from pydantic import BaseModel, Field

from ai_secretary.access import Principal
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.api.tts import spoken_file
from ai_secretary.audit import AuditEvent
from ai_secretary.errors import InvalidInput, NotFound, Unavailable
from ai_secretary.speech import VoiceInfo

if TYPE_CHECKING:
    from ai_secretary.app import Application

LANGUAGES = ("ru", "en")
_SAMPLE = {
    "ru": "Здравствуйте! Я секретарь. Чем могу помочь?",
    "en": "Hello, this is the secretary. How can I help you?",
}


class VoiceReply(BaseModel):
    id: str
    name: str
    engine: str
    languages: list[str]
    gender: str
    sample_rate: int
    state: str
    reason: str
    available: bool
    description: str
    licence: str
    cloned: bool
    parameters: dict[str, float | int | str | bool]
    default_for: list[str]

    @classmethod
    def of(cls, info: VoiceInfo, current: dict[str, str | None]) -> VoiceReply:
        return cls(
            id=info.id,
            name=info.title,
            engine=info.engine,
            languages=list(info.languages),
            gender=info.gender,
            sample_rate=info.sample_rate,
            state=info.state,
            reason=info.reason,
            available=info.state != "unavailable",
            description=info.description,
            licence=info.licence,
            cloned=info.cloned,
            parameters=dict(info.parameters),
            default_for=[language for language, voice in current.items() if voice == info.id],
        )


class CurrentReply(BaseModel):
    engine: str | None
    voice: str | None
    """Speaks the language of the installation."""
    by_language: dict[str, str | None]


class VoicesReply(BaseModel):
    voices: list[VoiceReply]
    current: CurrentReply


class VoiceChoice(BaseModel):
    voice: str = Field(max_length=200, description="Voice id or bare name; empty: the best that is there")
    language: str | None = Field(None, max_length=8, description="Default: the voice's mother tongue")


class VoiceTest(BaseModel):
    voice: str = Field(min_length=1, max_length=200)
    text: str | None = Field(None, max_length=1000)


class SampleText(BaseModel):
    text: str | None = Field(None, max_length=1000)


def build_router(application: Application) -> APIRouter:
    router = APIRouter(tags=["voices"], responses=ERRORS)
    voice = application.voice

    def by_language() -> dict[str, str | None]:
        found: dict[str, str | None] = {}
        for language in LANGUAGES:
            try:
                found[language] = voice.resolve(None, language).info.id
            except Unavailable:
                found[language] = None
        return found

    def current() -> CurrentReply:
        chosen = by_language()
        name = chosen.get(application.settings.language) or next((item for item in chosen.values() if item), None)
        return CurrentReply(engine=name.partition("/")[0] if name else None, voice=name, by_language=chosen)

    async def choose(body: VoiceChoice) -> CurrentReply:
        language = body.language
        changed: dict[str, str] = {}
        if body.voice:
            info = voice.resolve(body.voice, language).info
            language = language or info.languages[0]
            if language not in info.languages:
                raise InvalidInput(
                    "Voice {voice} does not speak {language}",
                    voice=info.id,
                    language=language,
                    code="voice_language",
                    field="language",
                )
            changed[f"voice_{language}"] = info.id
        else:
            changed = {f"voice_{code}": "" for code in ([language] if language else LANGUAGES)}
        if not all(name in ("voice_ru", "voice_en") for name in changed):
            raise InvalidInput(
                "A default voice is chosen per language: {languages}",
                languages=", ".join(LANGUAGES),
                code="language_not_configurable",
                field="language",
            )
        await voice.save_preferences(voice.preferences.model_copy(update=changed))
        application.audit.record(AuditEvent(action="voices.choose", resource="voice", resource_id=body.voice, details=changed))
        return current()

    def known(voice_id: str) -> VoiceInfo:
        found = application.registries.find_voice(voice_id)
        if found is None:
            raise NotFound("There is no voice {voice}", voice=voice_id, code="voice_not_found")
        return found.info

    async def sample(info: VoiceInfo, text: str | None, principal: Principal) -> Response:
        await application.limits.check("tts", principal.id)
        language = info.languages[0] if info.languages else "en"
        return await spoken_file(
            voice, text or _SAMPLE.get(language, _SAMPLE["en"]), voice_id=info.id, language=None if text else language
        )

    @router.get("/admin/voices", summary="All voices")
    async def all_voices(principal: Annotated[Principal, Depends(require("voices:read"))]) -> VoicesReply:
        chosen = current()
        return VoicesReply(voices=[VoiceReply.of(info, chosen.by_language) for info in voice.voices()], current=chosen)

    @router.get("/admin/voice", summary="The voice that speaks", include_in_schema=False)
    @router.get("/admin/voices/current", summary="The voice that speaks, per language")
    async def get_current(principal: Annotated[Principal, Depends(require("voices:read"))]) -> CurrentReply:
        return current()

    @router.post("/admin/voice", summary="Choose the voice that speaks", include_in_schema=False)
    async def choose_by_old_name(
        body: VoiceChoice, principal: Annotated[Principal, Depends(require("voices:write"))]
    ) -> dict[str, Any]:
        return {"status": "ok", **(await choose(body)).model_dump()}

    @router.put("/admin/voices/current", summary="Choose the voice that speaks")
    async def put_current(body: VoiceChoice, principal: Annotated[Principal, Depends(require("voices:write"))]) -> CurrentReply:
        return await choose(body)

    @router.post("/admin/voice/test", summary="Hear a voice", include_in_schema=False, response_class=Response)
    async def test_by_old_name(body: VoiceTest, principal: Annotated[Principal, Depends(require("voices:write"))]) -> Response:
        return await sample(known(body.voice), body.text, principal)

    @router.post("/admin/voices/{voice_id:path}/test", summary="Hear a voice", response_class=Response)
    async def test(
        voice_id: str,
        principal: Annotated[Principal, Depends(require("voices:write"))],
        body: SampleText | None = None,
    ) -> Response:
        return await sample(known(voice_id), body.text if body else None, principal)

    @router.get("/admin/voices/{voice_id:path}", summary="One voice")
    async def one(voice_id: str, principal: Annotated[Principal, Depends(require("voices:read"))]) -> VoiceReply:
        return VoiceReply.of(known(voice_id), by_language())

    return router
