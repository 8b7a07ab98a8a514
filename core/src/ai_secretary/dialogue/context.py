"""Fit a conversation into a model's context window: the system prompt stays, whole exchanges go, oldest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_secretary.errors import InvalidInput
from ai_secretary.llm import ChatMessage, ChatModel

MESSAGE_OVERHEAD = 4
"""Tokens that a chat template adds to a message, cautiously."""
IMAGE_TOKENS = 1000
"""For a content part that is not text."""
DEFAULT_REPLY_TOKENS = 512


@dataclass(slots=True, frozen=True)
class Fitted:
    messages: tuple[ChatMessage, ...]
    trimmed: int
    """Messages left out."""
    prompt_tokens: int
    """As counted by the model, an estimate for some."""
    max_tokens: int
    """Room for the reply: what was asked for, if the window has it."""


def message_tokens(model: ChatModel, message: ChatMessage) -> int:
    tokens = MESSAGE_OVERHEAD
    if isinstance(message.content, str):
        tokens += model.count_tokens(message.content)
    else:
        for part in message.content or ():
            tokens += model.count_tokens(str(part.get("text", ""))) if part.get("type") == "text" else IMAGE_TOKENS
    for call in message.tool_calls:
        tokens += model.count_tokens(call.name + call.arguments)
    return tokens


def exchanges(messages: Sequence[ChatMessage]) -> list[list[ChatMessage]]:
    """Cut before every user message: a question stays with its answer and with the results of tools."""
    found: list[list[ChatMessage]] = []
    for message in messages:
        if message.role == "user" or not found:
            found.append([])
        found[-1].append(message)
    return found


def fit(messages: Sequence[ChatMessage], model: ChatModel, *, max_tokens: int | None, reserve: int) -> Fitted:
    """`messages` begin with system messages and end with what is to be answered.

    Raises `InvalidInput` (`context_length_exceeded`) when the system prompt and the last exchange alone do not fit.
    """
    window = model.info.context_window
    # A reply never gets more than half of the window, or a small window would have no room for the question.
    reply = min(max_tokens or DEFAULT_REPLY_TOKENS, max(1, window // 2))
    budget = window - reply - min(reserve, window // 8)
    split = next((index for index, message in enumerate(messages) if message.role not in ("system", "developer")), len(messages))
    system, rest = list(messages[:split]), exchanges(messages[split:])
    used = sum(message_tokens(model, message) for message in system)
    kept: list[list[ChatMessage]] = []
    for exchange in reversed(rest):
        tokens = sum(message_tokens(model, message) for message in exchange)
        if used + tokens > budget:
            break
        used += tokens
        kept.append(exchange)
    if rest and not kept:
        needed = used + sum(message_tokens(model, message) for message in rest[-1])
        raise InvalidInput(
            "The message is too long for {model}: {needed} tokens, and {budget} fit beside the reply",
            code="context_length_exceeded",
            field="messages",
            hint="Shorten the message, or choose a model with a larger context window.",
            model=model.info.title,
            needed=needed,
            budget=budget,
        )
    if used > budget:
        raise InvalidInput(
            "The system prompt is too long for {model}: {needed} tokens, and {budget} fit beside the reply",
            code="context_length_exceeded",
            field="messages",
            hint="Shorten the persona's prompt, or choose a model with a larger context window.",
            model=model.info.title,
            needed=used,
            budget=budget,
        )
    trimmed = sum(len(exchange) for exchange in rest[: len(rest) - len(kept)])
    remaining = [message for exchange in reversed(kept) for message in exchange]
    return Fitted((*system, *remaining), trimmed, used, reply)
