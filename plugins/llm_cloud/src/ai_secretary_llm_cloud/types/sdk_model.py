"""What the clients over a vendor's SDK share: loading it off the event loop, and the vendor's errors in the house's codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Generic, TypeVar

import httpx2

from ai_secretary.errors import ProviderError, ProviderTimeout, SecretaryError
from ai_secretary.i18n import N_
from ai_secretary.llm import ChatDelta, ChatMessage, ModelInfo, Usage
from ai_secretary.openai_wire import RequestRefused
from ai_secretary.plugins.provider_types import ProviderConnection

T = TypeVar("T")


class LazySdk(Generic[T]):
    """Imports an SDK and makes its client at the first request, in a thread: importing one takes a second or more."""

    def __init__(self) -> None:
        self._client: T | None = None
        self._lock = asyncio.Lock()

    def _make(self) -> T:
        """Runs in a thread."""
        raise AssertionError("a subclass says how")

    async def get(self) -> T:
        if self._client is None:
            async with self._lock:
                if self._client is None:
                    self._client = await asyncio.to_thread(self._make)
        return self._client

    @property
    def loaded(self) -> T | None:
        return self._client


def priced(info: ModelInfo, prompt: int, completion: int) -> Usage:
    if info.price_prompt is None and info.price_completion is None:
        return Usage(prompt, completion)
    return Usage(prompt, completion, (prompt * (info.price_prompt or 0) + completion * (info.price_completion or 0)) / 1_000_000)


def network_failure(connection: ProviderConnection, error: Exception) -> SecretaryError:
    """An exception of the HTTP client below an SDK."""
    if isinstance(error, SecretaryError):
        return error
    name = type(error).__name__
    if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
        return ProviderTimeout(
            "{provider} did not answer in time",
            provider=connection.title,
            hint="Try again, or raise the provider's time limit.",
        )
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError | OSError):
        return ProviderError(
            "{provider} cannot be reached: {detail}",
            provider=connection.title,
            detail=str(error)[:200] or name,
            code="unreachable",
            hint="Check the address and whether the server is running.",
        )
    if isinstance(error, httpx2.TransportError):
        return ProviderError(
            "{provider} broke the connection off in the middle of an answer",
            provider=connection.title,
            detail=name,
            code="bad_reply",
        )
    return ProviderError(
        "{provider} sent an answer that cannot be read: {what}",
        provider=connection.title,
        what=name,
        code="bad_reply",
        hint="Check that the address leads to this provider's API.",
    )


def image_of(part: dict[str, Any]) -> tuple[str, str]:
    """(media type, base64) of an `image_url` content part. Only images inside the request: nothing is fetched for a caller."""
    reference = part.get("image_url")
    url = reference.get("url") if isinstance(reference, dict) else reference
    if isinstance(url, str) and url.startswith("data:image/"):
        head, _, data = url[5:].partition(",")
        media_type, _, encoding = head.partition(";")
        if encoding == "base64" and data:
            return media_type, data
    raise RequestRefused(
        N_("An image must be inside the request, as a data: URL"),
        code="request_refused",
        hint=N_("Send it as data:image/png;base64,…"),
    )


def unknown_part(kind: object) -> RequestRefused:
    return RequestRefused(N_("This model does not take content of the type {kind}"), kind=str(kind))


def system_text(messages: tuple[ChatMessage, ...]) -> str:
    """System and developer messages as one text: these vendors take it apart from the conversation."""
    return "\n\n".join(message.text for message in messages if message.role in {"system", "developer"} and message.text)


Deltas = AsyncIterator[ChatDelta]
