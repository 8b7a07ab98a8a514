"""Speaking and listening: which engine, in which language, in which pieces, from which cache."""

from ai_secretary.voice.preferences import VoicePreferences
from ai_secretary.voice.service import Voice
from ai_secretary.voice.usage import UsageSink, VoiceUsage

__all__ = ["UsageSink", "Voice", "VoicePreferences", "VoiceUsage"]
