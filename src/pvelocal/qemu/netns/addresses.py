"""Which addresses stand for which inside the namespace.

A guest is known by a loopback address of the host, which no network but the host's own can carry. Inside, 127.64.0.0/10
is 100.64.0.0/10, address by address: the range that RFC 6598 sets aside for networks within a provider's. Clients on
the host, 127.0.b.c, are 198.18.b.c, from the range that RFC 2544 sets aside for tests.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    collapse_addresses,
    ip_network,
    summarize_address_range,
)

GUESTS = (IPv4Network("127.64.0.0/10"), IPv4Network("100.64.0.0/10"))
CLIENTS = (IPv4Network("127.0.0.0/16"), IPv4Network("198.18.0.0/16"))
_PAIRS = (GUESTS, CLIENTS)
OTHER_CLIENTS = IPv4Address("198.18.255.254")
OUTSIDE = IPv4Network("198.19.0.0/24")
"""The network between the namespace and slirp4netns, which has the name server at .3."""

NAME_SERVER = OUTSIDE[3]


def inside(address: IPv4Address) -> IPv4Address:
    """What an address of the host's loopback network is in the namespace; other addresses are themselves."""
    return _networks_inside(IPv4Network(address))[0].network_address


def client_inside(address: str) -> str:
    """The address under which a client on the host appears to guests."""
    found = IPv4Address(address)
    return str(inside(found) if found in CLIENTS[0] else OTHER_CLIENTS)


def networks_inside(text: str) -> list[str]:
    """What a rule's addresses are in the namespace: networks that do not overlap, of one IP version."""
    found = [network for part in text.split(",") for network in _networks(part.strip())]
    ipv4 = [inner for network in found if isinstance(network, IPv4Network) for inner in _networks_inside(network)]
    ipv6 = [network for network in found if isinstance(network, IPv6Network)]
    return [str(network) for network in (*collapse_addresses(ipv4), *collapse_addresses(ipv6))]


def _networks(part: str) -> Iterable[IPv4Network | IPv6Network]:
    first, dash, last = part.partition("-")
    if not dash:
        return [ip_network(part, strict=False)]
    if ":" in first:
        return summarize_address_range(IPv6Address(first), IPv6Address(last))
    return summarize_address_range(IPv4Address(first), IPv4Address(last))


def _networks_inside(network: IPv4Network) -> list[IPv4Network]:
    for outer, inner in _PAIRS:
        if network.subnet_of(outer):
            offset = int(network.network_address) - int(outer.network_address)
            return [IPv4Network((int(inner.network_address) + offset, network.prefixlen))]
    within = [inner for outer, inner in _PAIRS if outer.subnet_of(network)]
    return [network, *within]
