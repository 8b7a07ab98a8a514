"""What `/admin/llm` takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from ai_secretary.api.chat_schemas import MessageReply
from ai_secretary.dialogue.persona import Persona
from ai_secretary.dialogue.routing import CandidateStatus
from ai_secretary.llm import ModelInfo

MOST_PROMPT = 50_000


class ModelReply(BaseModel):
    id: str
    title: str
    provider: str = Field(description="Prefix of the id")
    provider_title: str
    description: str
    context_window: int
    languages: list[str] | None = Field(description="null: any")
    demo: bool
    local: bool
    supports_tools: bool
    supports_json_schema: bool
    supports_images: bool
    state: str
    reason: str
    price_prompt: float | None
    price_completion: float | None

    @classmethod
    def of(cls, info: ModelInfo) -> ModelReply:
        return cls(
            id=info.id,
            title=info.title,
            provider=info.id.partition("/")[0],
            provider_title=info.provider_title,
            description=info.description,
            context_window=info.context_window,
            languages=sorted(info.languages) if info.languages is not None else None,
            demo=info.demo,
            local=info.local,
            supports_tools=info.supports_tools,
            supports_json_schema=info.supports_json_schema,
            supports_images=info.supports_images,
            state=info.state,
            reason=info.reason,
            price_prompt=info.price_prompt,
            price_completion=info.price_completion,
        )


class ModelsReply(BaseModel):
    models: list[ModelReply]
    current_model: str | None = Field(description="The one that answers now")


class CandidateReply(BaseModel):
    id: str
    title: str
    provider_title: str
    state: str = Field(description="ready, idle, loading, unavailable, resting or missing")
    reason: str
    demo: bool
    answering: bool
    resting_s: float
    failures: int
    last_error: str
    last_error_code: str
    last_error_at: datetime | None

    @classmethod
    def of(cls, status: CandidateStatus) -> CandidateReply:
        return cls(**{name: getattr(status, name) for name in cls.model_fields})


class BackendReply(BaseModel):
    backend: str | None = Field(description="Provider of the model that answers now")
    model: str | None = Field(description="The model that answers now")
    chosen: str | None = Field(description="The model that was chosen; null: the best that is available")
    fallbacks: list[str]
    candidates: list[CandidateReply]
    error: str | None = Field(description="Why nobody answers")


class ChooseBackend(BaseModel):
    backend: str | None = Field(max_length=200, description="A model id, vllm, local, cloud:<provider>; null: the best available")


class ChooseModel(BaseModel):
    model: str | None = Field(max_length=200, description="A model id; null: the best available")


class ModelNow(BaseModel):
    model: str | None


class Fallbacks(BaseModel):
    fallbacks: list[str] = Field(max_length=20, description="Model ids, in the order in which they are asked")


class PersonaReply(BaseModel):
    id: str
    name_ru: str
    name_en: str
    description_ru: str
    description_en: str
    prompt_ru: str
    prompt_en: str
    greeting_ru: str
    greeting_en: str
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    repetition_penalty: float | None
    model: str | None
    enabled: bool
    builtin: bool
    edited: bool
    is_default: bool

    @classmethod
    def of(cls, persona: Persona, default_id: str) -> PersonaReply:
        values = {name: getattr(persona, name) for name in cls.model_fields if name != "is_default"}
        return cls(**values, is_default=persona.id == default_id)


class PersonasReply(BaseModel):
    personas: list[PersonaReply]
    default: str


class PersonaChange(BaseModel):
    """Absent fields stay as they are; null clears a parameter or the model."""

    name_ru: str | None = Field(None, max_length=100)
    name_en: str | None = Field(None, max_length=100)
    description_ru: str | None = Field(None, max_length=1000)
    description_en: str | None = Field(None, max_length=1000)
    prompt_ru: str | None = Field(None, max_length=MOST_PROMPT)
    prompt_en: str | None = Field(None, max_length=MOST_PROMPT)
    greeting_ru: str | None = Field(None, max_length=2000)
    greeting_en: str | None = Field(None, max_length=2000)
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    repetition_penalty: float | None = None
    model: str | None = Field(None, max_length=200)
    enabled: bool = True

    def given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class NewPersona(PersonaChange):
    """Texts in one language serve for both."""

    id: str = Field(max_length=60)

    def given(self) -> dict[str, Any]:
        return {name: value for name, value in PersonaChange.given(self).items() if name != "id"}


class ChoosePersona(BaseModel):
    persona: str = Field(max_length=60)


class CurrentPersona(BaseModel):
    id: str
    name: str


class PromptReply(BaseModel):
    persona: str
    prompt: str = Field(description="In the language that was asked for")
    prompt_ru: str
    prompt_en: str
    model: str | None = Field(description="The model that answers now")


class SetPrompt(BaseModel):
    prompt: str = Field(min_length=1, max_length=MOST_PROMPT)


class Range(BaseModel):
    least: float
    most: float
    step: float


class ParametersReply(BaseModel):
    params: dict[str, float | int | None] = Field(description="As the default persona's next reply will use them")
    overridden: list[str] = Field(description="Those that are set for all personas")
    ranges: dict[str, Range]


class SetParameters(BaseModel):
    """Absent ones stay; null gives a parameter back to the persona."""

    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None

    def given(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.model_fields_set}


class PresetReply(BaseModel):
    """A persona in one language, in the older shape."""

    id: str
    name: str
    description: str
    system_prompt: str
    temperature: float | None
    max_tokens: int | None
    top_p: float | None
    repetition_penalty: float | None
    is_default: bool
    enabled: bool
    builtin: bool


class PresetsReply(BaseModel):
    presets: list[PresetReply]


class PresetChange(BaseModel):
    """Absent fields stay as they are. Texts are set in the language of the request."""

    name: str | None = Field(None, max_length=100)
    description: str | None = Field(None, max_length=1000)
    system_prompt: str | None = Field(None, max_length=MOST_PROMPT)
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    repetition_penalty: float | None = None
    enabled: bool = True


class NewPreset(BaseModel):
    id: str = Field(max_length=60)
    name: str = Field(min_length=1, max_length=100)
    system_prompt: str = Field(min_length=1, max_length=MOST_PROMPT)
    description: str = Field("", max_length=1000)
    temperature: float | None = 0.7
    max_tokens: int | None = 512
    top_p: float | None = 0.9
    repetition_penalty: float | None = 1.1


class HistoryReply(BaseModel):
    history: list[MessageReply]
    count: int


class HistoryCleared(BaseModel):
    cleared_messages: int
