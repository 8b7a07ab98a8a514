"""JSON of `/admin/llm/providers`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from ai_secretary_llm_cloud.records import Extra, Provider
from ai_secretary_llm_cloud.trial import Trial


class ProviderIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    type: str = Field(max_length=40)
    api_key: SecretStr | None = Field(None, description="Write-only: never returned.")
    base_url: str | None = Field(None, max_length=500, description="Default: the type's own.")
    model: str | None = Field(None, max_length=200, description="Default: the type's first.")
    more_models: list[str] = Field(default_factory=list, max_length=200)
    enabled: bool = True
    is_default: bool = Field(False, description="Make its model the one that answers.")
    timeout_s: float = Field(60.0, description="Seconds between two pieces of an answer, 1 to 600.")
    price_prompt: float | None = Field(None, description="US dollars per million prompt tokens.")
    price_completion: float | None = Field(None, description="US dollars per million reply tokens.")
    context_window: int | None = Field(None, description="Tokens; default: what is known of the model.")
    proxies: list[SecretStr] = Field(default_factory=list, max_length=20, description="Proxy URLs, tried in order. Write-only.")
    extra: Extra = Field(default_factory=dict)
    description: str = Field("", max_length=2000)


class ProviderPatch(BaseModel):
    """Absent keeps, null clears. A new address or type without a key clears the stored key."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=200)
    type: str | None = Field(None, max_length=40)
    api_key: SecretStr | None = None
    base_url: str | None = Field(None, max_length=500)
    model: str | None = Field(None, max_length=200)
    more_models: list[str] | None = Field(None, max_length=200)
    enabled: bool | None = None
    timeout_s: float | None = None
    price_prompt: float | None = None
    price_completion: float | None = None
    context_window: int | None = None
    proxies: list[SecretStr] | None = Field(None, max_length=20)
    extra: Extra | None = None
    description: str | None = Field(None, max_length=2000)


class ProviderOut(BaseModel):
    id: str
    name: str
    type: str
    type_title: str
    api_key_masked: str
    base_url: str
    model: str
    model_id: str
    more_models: list[str]
    enabled: bool
    is_default: bool
    position: int
    timeout_s: float
    price_prompt: float | None
    price_completion: float | None
    context_window: int | None
    proxy_count: int
    extra: Extra
    description: str
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, provider: Provider, *, type_title: str, is_default: bool) -> ProviderOut:
        draft = provider.draft
        return cls(
            id=provider.id,
            name=draft.name,
            type=draft.type,
            type_title=type_title,
            api_key_masked=provider.masked_key,
            base_url=draft.base_url,
            model=draft.model,
            model_id=provider.model_id,
            more_models=list(draft.more_models),
            enabled=draft.enabled,
            is_default=is_default,
            position=provider.position,
            timeout_s=draft.timeout_s,
            price_prompt=draft.price_prompt,
            price_completion=draft.price_completion,
            context_window=draft.context_window,
            proxy_count=len(draft.proxies),
            extra=draft.extra,
            description=draft.description,
            created_at=provider.created_at,
            updated_at=provider.updated_at,
        )


class ProviderList(BaseModel):
    providers: list[ProviderOut]


class ProviderTypeOut(BaseModel):
    id: str
    title: str
    default_base_url: str
    default_models: list[str]
    requires_base_url: bool
    requires_key: bool
    key_url: str
    owner: str
    """Plugin that brings the type."""


class ProviderTypeList(BaseModel):
    provider_types: list[ProviderTypeOut]


class ModelNames(BaseModel):
    models: list[str]
    cached: bool


class Order(BaseModel):
    ids: list[str] = Field(max_length=200, description="Providers, the first to be asked first.")


class TrialOut(BaseModel):
    available: bool
    message: str
    hint: str
    code: str
    reply: str
    model: str
    first_token_ms: float | None
    total_ms: float
    models_listed: int | None

    @classmethod
    def of(cls, trial: Trial, message: str, hint: str) -> TrialOut:
        return cls(
            available=trial.ok,
            message=message,
            hint=hint,
            code=trial.error.code if trial.error is not None else "",
            reply=trial.reply,
            model=trial.model,
            first_token_ms=trial.first_token_ms,
            total_ms=trial.total_ms,
            models_listed=trial.models_listed,
        )


class SetDefaultOut(BaseModel):
    model: str
