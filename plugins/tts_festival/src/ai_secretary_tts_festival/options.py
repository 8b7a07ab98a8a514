"""What an admin can tune. Titles and descriptions are English message ids."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FestivalOptions(BaseModel):
    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    speed: float = Field(1.0, ge=0.5, le=2.0, title="Speed", description="1.0 is the speaker's own")
    idle_minutes: int = Field(
        10, ge=0, le=1440, title="End after, minutes", description="Free the memory of a voice that nobody uses; 0: keep it"
    )
