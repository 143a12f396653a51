"""Whose request it is, when proxies stand in front: `X-Forwarded-For`, and `Forwarded` (RFC 7239)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.datastructures import Headers
from starlette.types import Scope

IPV6_CUSTOMER = 64
"""Whoever has one IPv6 address has the whole /64."""

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - the word is that of RFC 9110, section 5.6.2
_VALUE = rf'(?:{_TOKEN}|"(?:[^"\\]|\\.)*")'
_PAIR = re.compile(rf"[ \t]*(?:({_TOKEN})=({_VALUE})[ \t]*)?([;,]|\Z)")
_MAX_LINE = 4096
"""Characters; fifty proxies need no more."""

_LONGEST = 64
"""Characters of an address with the name of a network card; what is longer is none."""

_KNOWN_ADDRESSES = 4096
"""How many are kept as they were understood: the same clients come again and again."""

_NODE = re.compile(r"(?:\[(?P<ipv6>[^\]]*)\]|(?P<ipv4>[0-9.]+))(?::[0-9]{1,5})?")
"""A node with an address, RFC 7239, section 6; the port is of no interest."""

Network = IPv4Network | IPv6Network


def client_address(scope: Scope, trusted: Sequence[Network]) -> str:
    """Return the address that limits are counted by: the nearest one that is no trusted proxy, IPv6 by its /64.

    Both headers are read from the right, as far as trusted proxies wrote them; what lies beyond is anyone's invention.
    A proxy writes one of them and may let the other through as a client sent it. So where both are there and tell of
    different clients, neither is believed, and the trusted proxy itself is counted.
    """
    peer = scope["client"][0] if scope.get("client") else "unknown"
    if not is_trusted(peer, trusted):
        return _customer(peer)
    headers = Headers(scope=scope)
    chains = (_x_forwarded_for(headers), _forwarded(headers))
    told = {_customer(_nearest(peer, chain, trusted)) for chain in chains if chain}
    return told.pop() if len(told) == 1 else _customer(peer)


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Tell whether an address is that of a proxy whose word counts."""
    parsed = _parsed(address) if trusted else None
    return parsed is not None and any(parsed in network for network in trusted)


def _nearest(peer: str, chain: list[str], trusted: Sequence[Network]) -> str:
    """Follow a chain of hops, the nearest last, to the first that is no trusted proxy or cannot be read."""
    address = peer
    while is_trusted(address, trusted) and chain:
        hop = chain.pop()
        if _parsed(hop) is None:
            break
        address = hop
    return address


def _x_forwarded_for(headers: Headers) -> list[str]:
    lines = headers.getlist("x-forwarded-for")
    return [hop.strip() for hop in ",".join(lines).split(",")] if lines else []


def _forwarded(headers: Headers) -> list[str]:
    """Return the address of each element; an empty text where it has none: `unknown`, a hidden name, or nonsense."""
    return [hop for line in headers.getlist("forwarded") for hop in _hops(line)]


def _hops(line: str) -> list[str]:
    """Return the addresses of one header line.

    A line that is malformed anywhere says nothing: a quotation mark that a client leaves open would swallow what
    proxies add.
    """
    hops: list[str] = []
    nodes: list[str] = []
    position = 0
    while True:
        pair = _PAIR.match(line, position) if len(line) <= _MAX_LINE else None
        if pair is None:
            return [""]
        name, value, end = pair.groups()
        if name and name.lower() == "for":
            nodes.append(value)
        if end != ";":
            hops.append(_address_of(nodes[0]) if len(nodes) == 1 else "")
            nodes = []
        if not end:
            return hops
        position = pair.end()


def _address_of(node: str) -> str:
    found = _NODE.fullmatch(re.sub(r"\\(.)", r"\1", node[1:-1]) if node.startswith('"') else node)
    return (found["ipv6"] or found["ipv4"] or "") if found else ""


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    """Parse an address; what a socket for both families shows as `::ffff:192.0.2.1` is an IPv4 address."""
    return _parsed_before(address) if len(address) <= _LONGEST else None


def _customer(address: str) -> str:
    return _customer_before(address) if len(address) <= _LONGEST else address


@lru_cache(maxsize=_KNOWN_ADDRESSES)
def _parsed_before(address: str) -> IPv4Address | IPv6Address | None:
    try:
        parsed = ip_address(address)
    except ValueError:
        return None
    return (parsed.ipv4_mapped or parsed) if isinstance(parsed, IPv6Address) else parsed


@lru_cache(maxsize=_KNOWN_ADDRESSES)
def _customer_before(address: str) -> str:
    parsed = _parsed_before(address)
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, IPV6_CUSTOMER), strict=False))
    return str(parsed or address)
