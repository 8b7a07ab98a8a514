"""Trying a provider for real: a short generation, not a look at whether something listens there."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from ai_secretary.errors import ProviderError, ProviderTimeout, SecretaryError
from ai_secretary.llm import ChatMessage, ChatRequest, ModelInfo, Sampling
from ai_secretary.plugins.provider_types import ProviderClient

LIMIT_S = 45.0
_QUESTION = "Reply with the single word: ready"
_MAX_TOKENS = 512
"""Room for models that think before they answer."""


@dataclass(slots=True, frozen=True)
class Trial:
    ok: bool
    model: str
    reply: str = ""
    first_token_ms: float | None = None
    total_ms: float = 0.0
    models_listed: int | None = None
    """How many models the key may use; None where the provider does not say."""
    error: SecretaryError | None = None


async def try_out(client: ProviderClient, info: ModelInfo, name: str, *, limit_s: float = LIMIT_S) -> Trial:
    """Ask for one word. Never raises for what the provider does wrong: that is the result."""
    started = time.monotonic()
    listing = asyncio.ensure_future(_count_models(client))
    text = ""
    first: float | None = None
    error: SecretaryError | None = None
    try:
        async with asyncio.timeout(limit_s):
            request = ChatRequest(name, (ChatMessage("user", _QUESTION),), Sampling(max_tokens=_MAX_TOKENS))
            async for delta in client.model(info, name).stream(request):
                if delta.text:
                    first = first if first is not None else (time.monotonic() - started) * 1000
                    text += delta.text
        if not text.strip():
            error = ProviderError("{provider} answered without any text", provider=info.provider_title, code="bad_reply")
    except TimeoutError:
        error = ProviderTimeout("{provider} did not answer in time", provider=info.provider_title)
    except SecretaryError as failed:
        error = failed
    total = (time.monotonic() - started) * 1000
    try:
        async with asyncio.timeout(5.0):
            listed = await listing
    except TimeoutError:
        listed = None
    return Trial(error is None, name, text.strip()[:200], first, total, listed, error)


async def _count_models(client: ProviderClient) -> int | None:
    try:
        return len(await client.list_models())
    except SecretaryError:
        return None
