"""Where files come from: how to ask a server, which redirects are followed, what its refusals mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp

from ai_secretary.downloads.errors import DownloadFailed

_MAX_REDIRECTS: Final = 6
_REDIRECT_STATUS: Final = frozenset({301, 302, 303, 307, 308})
_JSON_TIMEOUT: Final = aiohttp.ClientTimeout(total=30, connect=10)
_LARGEST_JSON: Final = 16 << 20
UNREACHABLE: Final = "source_unreachable"
NOT_FOUND: Final = "source_not_found"


class Source(Protocol):
    """A kind of server."""

    def headers_for(self, url: str) -> dict[str, str]:
        """What to send along to this address, which may be one that the server redirected to."""
        ...

    def told_digest(self, headers: Mapping[str, str]) -> str:
        """SHA-256 of the whole file where the server tells it in an answer (of a redirect too), else empty."""
        ...

    def refusal(self, status: int, url: str) -> DownloadFailed:
        """What an answer other than success means."""
        ...


class PlainSource:
    """Any HTTP server."""

    def __init__(self, user_agent: str = "ai-secretary") -> None:
        self._user_agent = user_agent

    def headers_for(self, url: str) -> dict[str, str]:
        return {"user-agent": self._user_agent, "accept-encoding": "identity"}

    def told_digest(self, headers: Mapping[str, str]) -> str:
        return ""

    def refusal(self, status: int, url: str) -> DownloadFailed:
        if status in {404, 410}:
            return DownloadFailed(
                "{host} does not have the file (HTTP {status})",
                host=urlsplit(url).netloc,
                status=status,
                code=NOT_FOUND,
                hint="Check the address in the settings.",
            )
        return DownloadFailed(
            "{host} answered with an error (HTTP {status})", host=urlsplit(url).netloc, status=status, code="source_refused"
        )


def origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port


def without_query(url: str) -> str:
    """For logs: the query may hold a signature."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def next_hop(url: str, location: str) -> str:
    """Where a redirect leads. Raises `DownloadFailed` for anything but http(s), and for a step from https down to http."""
    target = urljoin(url, location)
    parts = urlsplit(target)
    if (
        parts.scheme not in {"http", "https"}
        or not parts.hostname
        or (urlsplit(url).scheme == "https" and parts.scheme == "http")
    ):
        raise DownloadFailed("The server redirects to an address that is not allowed", code="bad_redirect")
    return target


async def follow(
    session: aiohttp.ClientSession,
    source: Source,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    on_answer: Callable[[aiohttp.ClientResponse], None] | None = None,
) -> aiohttp.ClientResponse:
    """GET with redirects followed by hand: each hop is checked, and a key does not travel along. The caller closes the answer.

    `on_answer` sees every answer, redirects included. Raises `DownloadFailed` and aiohttp's errors.
    """
    for _ in range(_MAX_REDIRECTS):
        response = await session.get(url, headers=source.headers_for(url) | dict(headers or {}), allow_redirects=False)
        if on_answer is not None:
            on_answer(response)
        if response.status not in _REDIRECT_STATUS:
            return response
        location = response.headers.get("location", "")
        response.close()
        url = next_hop(url, location)
    raise DownloadFailed("The server redirects in a circle", code="bad_redirect")


async def fetch_json(source: Source, url: str) -> Any:
    """A JSON document of up to 16 MB. Raises `DownloadFailed`."""
    host = urlsplit(url).netloc
    try:
        async with aiohttp.ClientSession(timeout=_JSON_TIMEOUT, trust_env=True) as session:
            response = await follow(session, source, url)
            try:
                if response.status != 200:
                    raise source.refusal(response.status, url)
                body = bytearray()
                async for piece in response.content.iter_any():
                    body += piece
                    if len(body) > _LARGEST_JSON:
                        raise DownloadFailed("The answer of {host} is too long", host=host, code="bad_answer")
            finally:
                response.close()
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise DownloadFailed(
            "{host} cannot be reached: {error}",
            host=host,
            error=str(error) or type(error).__name__,
            code=UNREACHABLE,
            hint="Check this machine's connection, or set another address in the settings.",
        ) from error
    try:
        # Large lists take their time.
        return await asyncio.to_thread(json.loads, bytes(body))
    except ValueError as error:
        raise DownloadFailed("The answer of {host} cannot be read", host=host, code="bad_answer") from error
