"""Where a request comes from: the client's address behind proxies, and websites that may call us (CORS)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from starlette.types import Scope

Headers = list[tuple[bytes, bytes]]
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_LONGEST_CHAIN = 32


class TrustedProxies:
    """Believes `X-Forwarded-For` and `X-Forwarded-Proto` from the configured proxies, and from nobody else."""

    def __init__(self, proxies: Iterable[str]) -> None:
        self._networks: list[_Network] = [ipaddress.ip_network(proxy, strict=False) for proxy in proxies]
        self._trusts = lru_cache(maxsize=1024)(self._look_up)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _look_up(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded_for: str) -> str:
        """The nearest address that is no trusted proxy, read from the right: what stands further left anybody can write."""
        if not self._networks or not forwarded_for or not self._trusts(peer):
            return peer
        nearest = peer
        for part in reversed(forwarded_for.split(",")[-_LONGEST_CHAIN:]):
            hop = _parse(_without_port(part.strip()))
            if hop is None:
                break
            nearest = str(hop)
            if not self._trusts(nearest):
                break
        return nearest

    def trusts(self, peer: str) -> bool:
        return bool(self._networks) and self._trusts(peer)


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _without_port(part: str) -> str:
    """`203.0.113.7:5000` and `[2001:db8::1]:5000` without the port."""
    if part.startswith("["):
        return part[1:].partition("]")[0]
    return part.partition(":")[0] if part.count(":") == 1 else part


_TOKENS = re.compile(r"^[A-Za-z0-9!#$%&'*+.^_`|~, -]{0,1000}$")
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
_EXPOSED = b"X-Request-ID, Retry-After, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, Content-Disposition"


class Cors:
    """Websites of the allow-list may call the API with an API key or an access token; cookies are never theirs to use."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.rstrip("/").lower().encode() for origin in origins if origin != "*")

    def allows(self, origin: bytes) -> bool:
        return origin.lower() in self._origins

    def headers(self, origin: bytes) -> Headers:
        """For an actual answer to an allowed origin."""
        return [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _EXPOSED)]

    def preflight(self, origin: bytes, scope: Scope) -> Headers | None:
        """Headers that permit what the browser asks for; None when the origin is not allowed."""
        if not self.allows(origin):
            return None
        asked = next((value for name, value in scope["headers"] if name == b"access-control-request-headers"), b"")
        headers: Headers = [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-max-age", b"600"),
        ]
        # Client libraries add headers of their own (x-stainless-…): which ones is no matter of safety without cookies.
        if asked and _TOKENS.match(asked.decode("latin-1")):
            headers.append((b"access-control-allow-headers", asked))
        return headers
