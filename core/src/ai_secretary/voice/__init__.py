"""Speaking and listening: which engine, in which language, in which pieces, from which cache."""

from ai_secretary.voice.preferences import VoicePreferences
from ai_secretary.voice.service import Voice

__all__ = ["Voice", "VoicePreferences"]
