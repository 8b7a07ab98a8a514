"""Where an outgoing connection may go.

An admin may connect servers in the local network and on this machine: a vLLM or llama.cpp server usually lives there. What is
never right is a cloud's metadata service, which hands out the machine's own credentials to whoever can make it fetch a URL; so
link-local, multicast and reserved addresses are refused, by name when a URL is saved and by address at every connect, so that a
name that resolves to something else later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ai_secretary.errors import InvalidInput

_METADATA_NAMES = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_ADDRESSES = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "100.100.100.200",  # Alibaba Cloud
        "168.63.129.16",  # Azure wire server
        "192.0.0.192",  # Oracle Cloud
        "fd00:ec2::254",  # AWS over IPv6
        "fd20:ce::254",  # Google Cloud over IPv6
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _inner(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one, where it is only a wrapping."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address.sixtofour is not None:
            return address.sixtofour
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_forbidden(text: str) -> bool:
    """Whether an IP address (not a name) is one that no provider can live at."""
    try:
        address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    return (
        address in _METADATA_ADDRESSES
        or address.is_link_local
        or address.is_multicast
        or (address.is_reserved and not address.is_loopback)
    )


def check_host(host: str) -> None:
    """Raises `InvalidInput` for a host that is a metadata service, or an address in a range that no provider uses."""
    name = host.strip("[]").rstrip(".").lower()
    if name in _METADATA_NAMES or is_forbidden(_canonical(name)):
        raise InvalidInput(
            "The address {host} is not allowed: it belongs to the machine's own network services",
            host=host,
            code="address_forbidden",
            field="base_url",
            hint="Enter the address of the model server itself.",
        )


def _canonical(name: str) -> str:
    """`2852039166` and `0xA9FEA9FE` are IPv4 addresses to a resolver; show them as such."""
    import socket

    try:
        ipaddress.ip_address(name)
        return name
    except ValueError:
        pass
    if name and set(name) <= set("0123456789abcdefx."):
        try:
            return socket.inet_ntoa(socket.inet_aton(name))
        except OSError:
            return name
    return name


def check_base_url(url: str) -> str:
    """The URL without its trailing slash. Raises `InvalidInput` (field `base_url`) for anything but a plain http(s) URL."""
    text = url.strip().rstrip("/")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        parts, port = None, None
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise InvalidInput(
            "{url} is not an address of a server",
            url=url[:200],
            field="base_url",
            code="base_url_invalid",
            hint="It begins with http:// or https://, for example https://api.example.com/v1.",
        )
    if parts.username or parts.password:
        raise InvalidInput(
            "The address must not contain a name or a password",
            field="base_url",
            code="base_url_invalid",
            hint="Enter the key in its own field: it is stored encrypted there.",
        )
    if parts.query or parts.fragment or any(ord(character) <= 32 for character in text):
        raise InvalidInput(
            "The address must end with its path",
            field="base_url",
            code="base_url_invalid",
            hint="Leave out everything from ? or # on, and all spaces.",
        )
    check_host(parts.hostname)
    return text.removesuffix("/chat/completions").rstrip("/")
