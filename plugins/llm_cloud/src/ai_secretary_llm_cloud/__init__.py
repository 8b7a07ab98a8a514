"""Cloud language models for AI Secretary."""

__version__ = "0.1.0"
