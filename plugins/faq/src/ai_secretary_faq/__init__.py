"""FAQ: frequent questions answered word for word, before any model is asked."""

__version__ = "0.1.0"
