"""The HTTP client that vendors' SDKs are given: this provider's proxies and time limits, nothing of the process's environment."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextvars import ContextVar, Token
from typing import Any

import httpx2

from ai_secretary.openai_wire import check_proxy, unknown_host
from ai_secretary.openai_wire.addresses import check_host, is_forbidden

_answers: ContextVar[list[httpx2.Response] | None] = ContextVar("sdk_answers", default=None)


class _GuardedTransport(httpx2.AsyncBaseTransport):
    """Goes through the proxies in order, or directly to an address that is allowed (see `openai_wire.addresses`)."""

    def __init__(self, title: str, proxies: Sequence[str], timeout: httpx2.Timeout) -> None:
        self._title = title
        self._timeout = timeout.as_dict()
        self._direct = not proxies
        self._ways = [httpx2.AsyncHTTPTransport(proxy=check_proxy(proxy)) for proxy in proxies] or [httpx2.AsyncHTTPTransport()]

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        # An SDK may ask for no time limit at all; the provider's own is what the admin sees.
        request.extensions = {**request.extensions, "timeout": self._timeout}
        check_host(request.url.host)
        if self._direct:
            await self._check_addresses(request.url.host)
        last: Exception | None = None
        for way in self._ways:
            try:
                return await way.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
                last = error
        assert last is not None
        raise last

    async def _check_addresses(self, host: str) -> None:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise unknown_host(self._title, host) from error
        if any(is_forbidden(str(entry[4][0])) for entry in found):
            raise httpx2.ConnectError(f"{host} leads to a forbidden address")

    async def aclose(self) -> None:
        for way in self._ways:
            await way.aclose()


async def _remember(response: httpx2.Response) -> None:
    answers = _answers.get()
    if answers is not None:
        answers.append(response)


class OpenAnswers:
    """Answers that were begun inside the block are closed by `close`, whatever the SDK makes of a cancellation.

    The block must not contain a `yield`: it lends a context variable to the SDK's call.
    """

    def __init__(self) -> None:
        self._list: list[httpx2.Response] = []
        self._token: Token[list[httpx2.Response] | None] | None = None

    def __enter__(self) -> OpenAnswers:
        self._token = _answers.set(self._list)
        return self

    def __exit__(self, *_error: object) -> None:
        if self._token is not None:
            _answers.reset(self._token)
            self._token = None

    async def close(self) -> None:
        for response in self._list:
            await response.aclose()


def make_http(title: str, timeout_s: float, proxies: Sequence[str]) -> httpx2.AsyncClient:
    """`title` names the provider in errors, `timeout_s` bounds the silence between two pieces of an answer."""
    timeout = httpx2.Timeout(timeout_s, connect=10.0)
    hooks: dict[str, list[Any]] = {"response": [_remember]}
    return httpx2.AsyncClient(
        transport=_GuardedTransport(title, proxies, timeout),
        timeout=timeout,
        trust_env=False,
        follow_redirects=False,
        event_hooks=hooks,
    )
