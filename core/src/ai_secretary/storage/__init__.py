"""Engine, sessions, migrations, encrypted columns, preferences."""

from ai_secretary.storage.database import Base, Database, plugin_metadata
from ai_secretary.storage.preferences import Preferences, PreferencesChanged
from ai_secretary.storage.types import BigId, EncryptedText, UtcDateTime, micros, now
from ai_secretary.storage.vault import Vault

__all__ = [
    "Base",
    "BigId",
    "Database",
    "EncryptedText",
    "Preferences",
    "PreferencesChanged",
    "UtcDateTime",
    "Vault",
    "micros",
    "now",
    "plugin_metadata",
]
