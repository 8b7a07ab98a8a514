"""A Russian voice without any download: Debian's Festival."""

__version__ = "0.1.0"
