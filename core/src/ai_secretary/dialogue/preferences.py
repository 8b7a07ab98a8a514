"""What an administrator chooses for the whole dialogue. Subject `dialogue` of the preferences; effective at the next turn."""

from __future__ import annotations

from pydantic import BaseModel, Field

from ai_secretary.dialogue.parameters import SamplingValues

SUBJECT = "dialogue"


class DialoguePreferences(BaseModel):
    """One source of truth: nothing keeps a copy of these."""

    model: str | None = Field(None, title="Model", description="Answers first; empty: the best that is available")
    fallbacks: tuple[str, ...] = Field((), title="Spare models", description="Asked in this order when the model fails")
    persona: str | None = Field(None, title="Persona", description="Who answers; empty: the installation's default")
    sampling: SamplingValues = Field(
        default_factory=SamplingValues, title="Parameters", description="Set here, they win over the persona's"
    )
    company: str = Field("", max_length=200, title="Company", description="What the secretary calls the company")
    owner: str = Field("", max_length=200, title="Owner", description="For whom the secretary takes messages")
    first_token_timeout_s: float = Field(
        30.0, ge=1, le=600, title="Wait for the first word", description="Seconds; then the next model is asked"
    )
    loading_timeout_s: float = Field(
        180.0, ge=1, le=3600, title="Wait while a model loads", description="Seconds, for a model that is not in memory yet"
    )
    idle_timeout_s: float = Field(
        30.0, ge=1, le=600, title="Wait between words", description="Seconds; then the reply has failed"
    )
    retries: int = Field(1, ge=0, le=5, title="Retries", description="With the same model, before its first word only")
    cooldown_s: float = Field(
        15.0,
        ge=0,
        le=600,
        title="Rest after a failure",
        description="Seconds; doubled with every further failure, up to 10 minutes",
    )
    reserve_tokens: int = Field(64, ge=0, le=4096, title="Reserve", description="Tokens of the context window left unused")
