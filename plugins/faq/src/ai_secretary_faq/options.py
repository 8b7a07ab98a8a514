"""What an admin can tune. Titles and descriptions are English message ids."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FaqOptions(BaseModel):
    model_config = ConfigDict(extra="ignore")

    enabled: bool = Field(True, title="Answer from the FAQ", description="Off: every question goes on to the next stage")
    fuzzy: bool = Field(
        True, title="Similar questions", description="Also answer when the question is worded differently or has typos"
    )
    threshold: int = Field(
        80, ge=50, le=100, title="Similarity, %", description="How similar a question must be; lower answers more and errs more"
    )
    keyword_share: int = Field(
        40,
        ge=10,
        le=100,
        title="Keyword share, %",
        description="How much of what was said the keywords must cover: one word must not answer a long sentence",
    )
    max_words: int = Field(
        30,
        ge=3,
        le=200,
        title="Longest question, words",
        description="Anything longer is never compared by keywords or similarity",
    )
