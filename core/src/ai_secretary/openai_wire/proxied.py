"""The same over aiohttp, through an HTTP proxy of this one provider. The process's own proxy variables are never read or set."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from ai_secretary.errors import InvalidInput
from ai_secretary.openai_wire.addresses import check_host
from ai_secretary.openai_wire.transport import Timeouts, TransportFailed


def check_proxy(url: str) -> str:
    """Raises `InvalidInput` (field `proxies`) unless `url` is an `http://` or `https://` proxy address."""
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise InvalidInput(
            "A proxy address is not valid",
            field="proxies",
            code="proxy_invalid",
            hint="It looks like http://proxy.example.com:3128; a name and a password may stand before the host.",
        )
    return text


class ProxiedResponse:
    """An answer of `ProxiedTransport`."""

    __slots__ = ("_response", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}

    async def chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _failed(error) from error
        finally:
            self.close()

    async def read(self, limit: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size > limit:
                raise TransportFailed("garbage", f"the answer is larger than {limit} bytes")
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        self._response.close()


class ProxiedTransport:
    """Connections to one origin through the first proxy that works; the others are tried in order when it does not."""

    def __init__(self, base_url: str, timeouts: Timeouts, proxies: Sequence[str], *, tls: ssl.SSLContext | None = None) -> None:
        host = urlsplit(base_url).hostname or ""
        check_host(host)
        self._base = base_url.rstrip("/")
        self._proxies = [check_proxy(proxy) for proxy in proxies]
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=45, ssl=tls if tls is not None else True),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect, sock_read=timeouts.read),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        )

    async def request(self, method: str, target: str, headers: Mapping[str, str], body: bytes = b"") -> ProxiedResponse:
        last: TransportFailed | None = None
        for proxy in tuple(self._proxies):
            try:
                response = await self._session.request(
                    method,
                    URL(self._base + target, encoded=True),
                    data=body or None,
                    headers=headers,
                    proxy=proxy,
                    allow_redirects=False,
                )
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                last = _failed(error)
                if last.kind != "connect":
                    raise last from error
                if self._proxies[0] == proxy:
                    # The next request begins with the next proxy instead of waiting for this one again.
                    self._proxies.append(self._proxies.pop(0))
                continue
            return ProxiedResponse(response)
        raise last or TransportFailed("connect", "no proxy")

    async def close(self) -> None:
        await self._session.close()
        await asyncio.sleep(0)


def _failed(error: BaseException) -> TransportFailed:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return TransportFailed("tls", str(error))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return TransportFailed("connect", "no connection in time")
    if isinstance(error, TimeoutError):
        return TransportFailed("timeout", "silent for too long")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return TransportFailed("connect", "the proxy's name cannot be resolved")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return TransportFailed("connect", f"the proxy answered {error.status}")
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ClientProxyConnectionError):
        return TransportFailed("connect", str(error.os_error))
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.ClientPayloadError) and "payload" not in str(error).lower():
        return TransportFailed("garbage", type(error).__name__)
    return TransportFailed("cut", type(error).__name__)
