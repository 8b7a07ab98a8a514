"""`/admin/llm/presets`: personas in the shape of earlier installations, one language at a time. The same personas, not copies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from ai_secretary.access import Principal
from ai_secretary.api.chat_schemas import Done
from ai_secretary.api.llm_schemas import NewPreset, PresetChange, PresetReply, PresetsReply
from ai_secretary.api.security import require
from ai_secretary.audit import AuditEvent
from ai_secretary.dialogue.persona import Persona
from ai_secretary.i18n import current_language

if TYPE_CHECKING:
    from ai_secretary.app import Application

Reader = Annotated[Principal, Depends(require("llm:read"))]
Writer = Annotated[Principal, Depends(require("llm:write"))]
Language = Annotated[Literal["ru", "en"] | None, Query(description="Default: the language of the request")]
_TEXTS = {"name": "name", "description": "description", "system_prompt": "prompt"}


def _values(body: NewPreset | PresetChange, languages: tuple[str, ...]) -> dict[str, Any]:
    """The fields that were given, under the persona's names for them."""
    found: dict[str, Any] = {}
    for name in body.model_fields_set if isinstance(body, PresetChange) else type(body).model_fields:
        value = getattr(body, name)
        if name in _TEXTS:
            found.update({f"{_TEXTS[name]}_{language}": value for language in languages})
        elif name != "id":
            found[name] = value
    return found


def build_presets(application: Application) -> APIRouter:
    router = APIRouter(prefix="/presets")
    personas, audit = application.personas, application.audit

    def reply(persona: Persona, language: str | None) -> PresetReply:
        language = language or current_language()
        return PresetReply(
            id=persona.id,
            name=persona.name(language),
            description=persona.description(language),
            system_prompt=persona.prompt_ru if language == "ru" else persona.prompt_en,
            temperature=persona.temperature,
            max_tokens=persona.max_tokens,
            top_p=persona.top_p,
            repetition_penalty=persona.repetition_penalty,
            is_default=persona.id == personas.default().id,
            enabled=persona.enabled,
            builtin=persona.builtin,
        )

    @router.get("", summary="All presets")
    async def list_presets(principal: Reader, language: Language = None) -> PresetsReply:
        return PresetsReply(presets=[reply(persona, language) for persona in personas.all()])

    @router.post("", summary="Add a preset", status_code=201)
    async def create_preset(principal: Writer, body: NewPreset, language: Language = None) -> PresetReply:
        persona = await personas.create(body.id, _values(body, ("ru", "en")))
        audit.record(AuditEvent("persona.create", "persona", persona.id))
        return reply(persona, language)

    @router.get("/current", summary="The preset that answers")
    async def current_preset(principal: Reader, language: Language = None) -> PresetReply:
        return reply(personas.default(), language)

    @router.get("/{preset_id}", summary="One preset")
    async def get_preset(principal: Reader, preset_id: str, language: Language = None) -> PresetReply:
        return reply(personas.get(preset_id), language)

    @router.put("/{preset_id}", summary="Edit a preset")
    async def update_preset(principal: Writer, preset_id: str, body: PresetChange, language: Language = None) -> PresetReply:
        persona = await personas.update(preset_id, _values(body, (language or current_language(),)))
        audit.record(AuditEvent("persona.update", "persona", persona.id, {"fields": sorted(body.model_fields_set)}))
        return reply(persona, language)

    @router.delete("/{preset_id}", summary="Delete a preset of one's own")
    async def delete_preset(principal: Writer, preset_id: str) -> Done:
        await personas.delete(preset_id)
        audit.record(AuditEvent("persona.delete", "persona", preset_id))
        return Done()

    @router.post("/{preset_id}/activate", summary="Let this preset answer")
    async def activate_preset(principal: Writer, preset_id: str, language: Language = None) -> PresetReply:
        persona = await personas.activate(preset_id)
        audit.record(AuditEvent("persona.activate", "persona", persona.id))
        return reply(persona, language)

    return router
