"""`/admin/llm`: models and who answers, personas, prompts, parameters. Providers of the cloud belong to their plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from ai_secretary.access import Principal
from ai_secretary.api.chat_schemas import Done, MessageReply
from ai_secretary.api.llm_presets import build_presets
from ai_secretary.api.llm_schemas import (
    BackendReply,
    CandidateReply,
    ChooseBackend,
    ChooseModel,
    ChoosePersona,
    CurrentPersona,
    Fallbacks,
    HistoryCleared,
    HistoryReply,
    ModelNow,
    ModelReply,
    ModelsReply,
    NewPersona,
    ParametersReply,
    PersonaChange,
    PersonaReply,
    PersonasReply,
    PromptReply,
    Range,
    SetParameters,
    SetPrompt,
)
from ai_secretary.api.problems import ERRORS
from ai_secretary.api.security import require
from ai_secretary.audit import AuditEvent
from ai_secretary.conversations import Visibility
from ai_secretary.dialogue.parameters import RANGES, parse_sampling
from ai_secretary.dialogue.persona import Persona
from ai_secretary.dialogue.preferences import SUBJECT, DialoguePreferences
from ai_secretary.errors import NotFound
from ai_secretary.i18n import Translator, current_language

if TYPE_CHECKING:
    from ai_secretary.app import Application

_ = Translator("core")

Reader = Annotated[Principal, Depends(require("llm:read"))]
Writer = Annotated[Principal, Depends(require("llm:write"))]
Language = Annotated[Literal["ru", "en"] | None, Query(description="Default: the language of the request")]


def build_router(application: Application) -> APIRouter:
    router = APIRouter(prefix="/admin/llm", tags=["llm"], responses=ERRORS)
    _models(router, application)
    _personas(router, application)
    _prompts(router, application)
    _parameters(router, application)
    _history(router, application)
    router.include_router(build_presets(application))
    return router


def _models(router: APIRouter, application: Application) -> None:
    models, preferences = application.router, application.preferences

    def chosen() -> DialoguePreferences:
        return preferences.get(SUBJECT, DialoguePreferences)

    def backend() -> BackendReply:
        candidates = [CandidateReply.of(status) for status in models.model_status()]
        answering = next((item for item in candidates if item.answering), None)
        troubles = [item.reason or item.last_error for item in candidates if item.reason or item.last_error]
        return BackendReply(
            backend=answering.id.partition("/")[0] if answering else None,
            model=answering.id if answering else None,
            chosen=chosen().model,
            fallbacks=list(chosen().fallbacks),
            candidates=candidates,
            error=None if answering else (troubles or [_("No language model is connected")])[0],
        )

    async def choose(name: str | None) -> BackendReply:
        model = None
        if name is not None:
            model = models.candidates(name, fallbacks=())[0]
            models.forgive(model)
        await preferences.set(SUBJECT, chosen().model_copy(update={"model": model}))
        application.audit.record(AuditEvent("llm.choose_model", "model", model or "", {"asked": name}))
        return backend()

    @router.get("/models", summary="All models of all providers")
    async def list_models(principal: Reader) -> ModelsReply:
        return ModelsReply(
            models=[ModelReply.of(info) for info in application.registries.models()], current_model=backend().model
        )

    @router.get("/backend", summary="Which model answers, which come next, and what is wrong with them")
    async def get_backend(principal: Reader) -> BackendReply:
        return backend()

    @router.post("/backend", summary="Choose who answers, for every channel at once")
    async def set_backend(principal: Writer, body: ChooseBackend) -> BackendReply:
        return await choose(body.backend)

    @router.get("/model", summary="The model that answers now")
    async def get_model(principal: Reader) -> ModelNow:
        return ModelNow(model=backend().model)

    @router.post("/model", summary="Choose the model that answers")
    async def set_model(principal: Writer, body: ChooseModel) -> ModelNow:
        return ModelNow(model=(await choose(body.model)).model)

    @router.post("/check", summary="Ask resting models again with the next turn")
    async def check(principal: Writer) -> BackendReply:
        models.forgive()
        return backend()

    @router.get("/fallbacks", summary="Spare models in their order")
    async def get_fallbacks(principal: Reader) -> Fallbacks:
        return Fallbacks(fallbacks=list(chosen().fallbacks))

    @router.put("/fallbacks", summary="Set the spare models and their order")
    async def set_fallbacks(principal: Writer, body: Fallbacks) -> Fallbacks:
        resolved = tuple(dict.fromkeys(models.candidates(name, fallbacks=())[0] for name in body.fallbacks))
        await preferences.set(SUBJECT, chosen().model_copy(update={"fallbacks": resolved}))
        application.audit.record(AuditEvent("llm.set_fallbacks", "model", details={"fallbacks": list(resolved)}))
        return Fallbacks(fallbacks=list(resolved))


def _personas(router: APIRouter, application: Application) -> None:
    personas, audit = application.personas, application.audit

    def reply(persona: Persona) -> PersonaReply:
        return PersonaReply.of(persona, personas.default().id)

    @router.get("/personas", summary="All personas")
    async def list_personas(principal: Reader) -> PersonasReply:
        return PersonasReply(personas=[reply(persona) for persona in personas.all()], default=personas.default().id)

    @router.post("/personas", summary="Add a persona", status_code=201)
    async def create_persona(principal: Writer, body: NewPersona) -> PersonaReply:
        persona = await personas.create(body.id, body.given())
        audit.record(AuditEvent("persona.create", "persona", persona.id))
        return reply(persona)

    @router.get("/personas/{persona_id}", summary="One persona")
    async def get_persona(principal: Reader, persona_id: str) -> PersonaReply:
        return reply(personas.get(persona_id))

    @router.put("/personas/{persona_id}", summary="Edit a persona")
    async def update_persona(principal: Writer, persona_id: str, body: PersonaChange) -> PersonaReply:
        persona = await personas.update(persona_id, body.given())
        audit.record(AuditEvent("persona.update", "persona", persona.id, {"fields": sorted(body.model_fields_set)}))
        return reply(persona)

    @router.delete("/personas/{persona_id}", summary="Delete a persona of one's own")
    async def delete_persona(principal: Writer, persona_id: str) -> Done:
        await personas.delete(persona_id)
        audit.record(AuditEvent("persona.delete", "persona", persona_id))
        return Done()

    @router.post("/personas/{persona_id}/activate", summary="Make it the default persona")
    async def activate_persona(principal: Writer, persona_id: str) -> PersonaReply:
        persona = await personas.activate(persona_id)
        audit.record(AuditEvent("persona.activate", "persona", persona.id))
        return reply(persona)

    @router.post("/personas/{persona_id}/reset", summary="Give a built-in persona its first text back")
    async def reset_persona(principal: Writer, persona_id: str) -> PersonaReply:
        persona = await personas.reset(persona_id)
        audit.record(AuditEvent("persona.reset", "persona", persona.id))
        return reply(persona)

    @router.get("/persona", summary="The default persona")
    async def current_persona(principal: Reader) -> CurrentPersona:
        persona = personas.default()
        return CurrentPersona(id=persona.id, name=persona.name(current_language()))

    @router.post("/persona", summary="Choose the default persona")
    async def choose_persona(principal: Writer, body: ChoosePersona) -> CurrentPersona:
        persona = await personas.activate(body.persona)
        audit.record(AuditEvent("persona.activate", "persona", persona.id))
        return CurrentPersona(id=persona.id, name=persona.name(current_language()))


def _prompts(router: APIRouter, application: Application) -> None:
    personas = application.personas

    def reply(persona: Persona, language: str | None) -> PromptReply:
        language = language or current_language()
        answering = next((status.id for status in application.router.model_status() if status.answering), None)
        return PromptReply(
            persona=persona.id,
            prompt=persona.prompt_ru if language == "ru" else persona.prompt_en,
            prompt_ru=persona.prompt_ru,
            prompt_en=persona.prompt_en,
            model=answering,
        )

    async def change(name: str, body: SetPrompt, language: str | None) -> PromptReply:
        # Without a language the text is meant for everybody, as in earlier installations that knew only one.
        fields = [f"prompt_{language}"] if language else ["prompt_ru", "prompt_en"]
        persona = await personas.update(name, dict.fromkeys(fields, body.prompt))
        application.audit.record(AuditEvent("persona.set_prompt", "persona", persona.id, {"fields": fields}))
        return reply(persona, language)

    @router.get("/prompt", summary="Prompt of the default persona")
    async def get_prompt(principal: Reader, language: Language = None) -> PromptReply:
        return reply(personas.default(), language)

    @router.post("/prompt", summary="Set the prompt of the default persona")
    async def set_prompt(principal: Writer, body: SetPrompt, language: Language = None) -> PromptReply:
        return await change(personas.default().id, body, language)

    @router.get("/prompt/{persona}", summary="Prompt of a persona")
    async def get_persona_prompt(principal: Reader, persona: str, language: Language = None) -> PromptReply:
        return reply(personas.get(persona), language)

    @router.post("/prompt/{persona}", summary="Set the prompt of a persona, in one language or in both")
    async def set_persona_prompt(principal: Writer, persona: str, body: SetPrompt, language: Language = None) -> PromptReply:
        return await change(persona, body, language)

    @router.post("/prompt/{persona}/reset", summary="Give a built-in persona its first prompt back")
    async def reset_persona_prompt(principal: Writer, persona: str, language: Language = None) -> PromptReply:
        fields = (f"prompt_{language}",) if language else ("prompt_ru", "prompt_en")
        found = await personas.reset(persona, only=fields)
        application.audit.record(AuditEvent("persona.reset_prompt", "persona", found.id, {"fields": list(fields)}))
        return reply(found, language)


def _parameters(router: APIRouter, application: Application) -> None:
    preferences, personas = application.preferences, application.personas

    def reply() -> ParametersReply:
        stored = preferences.get(SUBJECT, DialoguePreferences).sampling.model_dump()
        effective = personas.sampling(personas.default())
        return ParametersReply(
            params={name: getattr(effective, name) for name in RANGES},
            overridden=[name for name, value in stored.items() if value is not None],
            ranges={name: Range(least=least, most=most, step=step) for name, (least, most, step) in RANGES.items()},
        )

    @router.get("/params", summary="Parameters of replies, and their ranges")
    async def get_params(principal: Reader) -> ParametersReply:
        return reply()

    @router.post("/params", summary="Set parameters for all personas")
    async def set_params(principal: Writer, body: SetParameters) -> ParametersReply:
        options = preferences.get(SUBJECT, DialoguePreferences)
        values: dict[str, Any] = {**options.sampling.model_dump(), **body.given()}
        await preferences.set(SUBJECT, options.model_copy(update={"sampling": parse_sampling(values)}))
        application.audit.record(AuditEvent("llm.set_params", "parameters", details=body.given()))
        return reply()


def _history(router: APIRouter, application: Application) -> None:
    """The conversation that a caller goes on with where it names none."""
    conversations = application.conversations

    async def own(principal: Principal) -> str | None:
        viewer = Visibility(principal.id)
        newest = [
            found
            for source in ("admin", "api")
            if (found := await conversations.find(viewer, source=source, owner_id=principal.id)) is not None
        ]
        return max(newest, key=lambda conversation: conversation.updated_at).id if newest else None

    @router.get("/history", summary="Messages of one's latest conversation")
    async def get_history(principal: Reader) -> HistoryReply:
        conversation_id = await own(principal)
        branch = await conversations.path(Visibility(principal.id), conversation_id) if conversation_id else []
        return HistoryReply(history=[MessageReply.of(message) for message in branch], count=len(branch))

    @router.delete("/history", summary="Delete the messages of one's latest conversation")
    async def clear_history(principal: Writer) -> HistoryCleared:
        conversation_id = await own(principal)
        if conversation_id is None:
            raise NotFound("There is no conversation to clear", code="conversation_not_found")
        cleared = await conversations.clear(Visibility(principal.id), conversation_id)
        application.audit.record(AuditEvent("chat.clear", "conversation", conversation_id, {"messages": cleared}))
        return HistoryCleared(cleared_messages=cleared)
