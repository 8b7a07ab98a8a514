"""How many tokens a text is, without the model's own tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from ai_secretary.llm import ChatMessage

_PER_MESSAGE = 4


def estimate_tokens(text: str) -> int:
    """A cautious estimate: about 3.6 Latin characters to a token, 1.9 of any other script. Errs on the side of too many."""
    if not text:
        return 0
    latin = len(text) if text.isascii() else len(text.encode("ascii", "ignore"))
    return int(latin / 3.6 + (len(text) - latin) / 1.9) + 1


def estimate_prompt(messages: Iterable[ChatMessage]) -> int:
    """Tokens of a whole prompt, the frame of each message included."""
    return sum(
        _PER_MESSAGE
        + estimate_tokens(message.text)
        + sum(estimate_tokens(call.name + call.arguments) for call in message.tool_calls)
        for message in messages
    )
