"""Tables of the voice room."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from ai_secretary.storage import Base, UtcDateTime, now


class VoicePresetRow(Base):
    """An intonation of the operator's own."""

    __tablename__ = "voice_presets"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    parameters: Mapped[str] = mapped_column(Text)
    """JSON of `presets.Intonation`."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)
