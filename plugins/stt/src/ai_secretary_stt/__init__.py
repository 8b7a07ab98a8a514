"""Speech recognition on this machine: Whisper and Vosk, each in a process of its own."""

__version__ = "0.1.0"
