"""Text as a person writes it → text as a voice should read it, in Russian and English.

The display text stays as it was: only what goes to a synthesiser passes here.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from ai_secretary.voice.normalization.markup import plain_text

MAX_CHARS = 200_000

# One thread: the Russian morphology is not promised to be safe for several, and its first load takes half a second.
_thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="normalise")


@lru_cache(maxsize=4096)
def _normalised(text: str, language: str) -> str:
    plain = plain_text(text[:MAX_CHARS], language)
    if not plain:
        return ""
    if language == "ru":
        from ai_secretary.voice.normalization.russian import read_aloud

        return _sounding(read_aloud(plain))
    if language == "en":
        from ai_secretary.voice.normalization.english import read_aloud as read_english

        return _sounding(read_english(plain))
    return plain


def _sounding(spoken: str) -> str:
    return spoken if any(character.isalnum() for character in spoken) else ""


def normalise(text: str, language: str) -> str:
    """`text` for the ear: no markup, numbers and abbreviations in words. Empty when there is nothing to say.

    Languages other than `ru` and `en` only lose their markup. Blocks for milliseconds a sentence (the first Russian call for
    about a second, to load the dictionary): on the event loop use `normalise_off_loop`.
    """
    return _normalised(text, language)


async def normalise_off_loop(text: str, language: str) -> str:
    """`normalise` in its own thread."""
    return await asyncio.get_running_loop().run_in_executor(_thread, _normalised, text, language)


async def plain_off_loop(text: str, language: str) -> str:
    """`plain_text` in the same thread where the text is long."""
    if len(text) < 2_000:
        return plain_text(text, language)
    return await asyncio.get_running_loop().run_in_executor(_thread, plain_text, text[:MAX_CHARS], language)


async def warm_up() -> None:
    """Load the dictionaries of both languages in the background thread."""
    for text, language in (("Привет, 5.", "ru"), ("Hello, 5.", "en")):
        await normalise_off_loop(text, language)


__all__ = ["normalise", "normalise_off_loop", "plain_off_loop", "plain_text", "warm_up"]
