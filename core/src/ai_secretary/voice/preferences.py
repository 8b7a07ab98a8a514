"""How the secretary speaks and listens, as an admin sets it: preferences subject `voice`."""

from __future__ import annotations

from pydantic import BaseModel, Field

SUBJECT = "voice"


class VoicePreferences(BaseModel):
    """An empty id means: the best that is there."""

    voice_ru: str = Field("", max_length=200, title="Russian voice", description="Voice id for Russian texts")
    voice_en: str = Field("", max_length=200, title="English voice", description="Voice id for English texts")
    speed: float = Field(1.0, ge=0.25, le=4.0, title="Speed", description="1.0 is normal")
    preset: str = Field(
        "natural", max_length=64, title="Intonation", description="Name of a preset, for engines that have intonation"
    )
    recognizer_ru: str = Field("", max_length=200, title="Russian recogniser", description="Recogniser id for Russian speech")
    recognizer_en: str = Field("", max_length=200, title="English recogniser", description="Recogniser id for English speech")
    recognizer: str = Field("", max_length=200, title="Recogniser", description="Recogniser id where the language is not known")
    cache_mb: int = Field(64, ge=0, le=4096, title="Phrase cache, MB", description="Memory for phrases that were already spoken")
    parallel: int = Field(2, ge=1, le=64, title="Voices at once", description="Phrases that one engine makes at the same time")
    parallel_recognition: int = Field(
        1, ge=1, le=64, title="Recognitions at once", description="Recordings that one engine hears at the same time"
    )
    queue: int = Field(
        32, ge=1, le=10_000, title="Queue", description="Requests per engine that may wait; further ones are told to come back"
    )

    def voice_for(self, language: str) -> str:
        return {"ru": self.voice_ru, "en": self.voice_en}.get(language, "")

    def recognizer_for(self, language: str | None) -> str:
        return {"ru": self.recognizer_ru, "en": self.recognizer_en}.get(language or "", "") or self.recognizer
