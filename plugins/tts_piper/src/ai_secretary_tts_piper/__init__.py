"""Piper voices: natural speech on an ordinary processor. GPL-3.0-or-later, as Piper is."""

__version__ = "0.1.0"
