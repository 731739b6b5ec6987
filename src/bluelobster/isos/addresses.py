"""Which network addresses an image may be fetched from: those of the public internet, and what the operator allows."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from bluelobster.isos.errors import CannotFetch, Interrupted
from bluelobster.isos.rules import IsoRules

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

# IPv6 unicast that is routed publicly (RFC 4291, 2.4), and the prefix that leads to IPv4 through NAT64 (RFC 6052).
GLOBAL_UNICAST = IPv6Network("2000::/3")
NAT64 = IPv6Network("64:ff9b::/96")
RESOLVE_SECONDS = 10.0
# Customers' names have threads of their own: a server of names that keeps silent takes one for a minute, and the
# process' other threads resolve the names of hosts, read files and check passwords.
THREADS = ThreadPoolExecutor(4, thread_name_prefix="customers-names")


async def resolved(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, as this machine knows it."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await asyncio.get_running_loop().run_in_executor(THREADS, ask)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def reachable(host: str, port: int, usual: bool, rules: IsoRules, resolve: Resolve) -> list[Address]:
    """The addresses of a host, every one of which may be connected to; `usual` says whether the port is its scheme's.

    Raises CannotFetch: one forbidden address among several is enough, because whoever names it chooses their order.
    """
    try:
        async with asyncio.timeout(RESOLVE_SECONDS):
            texts = await resolve(host, port)
    except (OSError, UnicodeError, TimeoutError) as error:
        raise Interrupted(f"the name {host} cannot be resolved") from error
    addresses = [address for address in map(parsed, texts) if address is not None]
    if not addresses or len(addresses) != len(texts) or not all(may_connect(each, usual, rules) for each in addresses):
        raise CannotFetch(f"{host} leads to an address that is not public")
    return addresses


def may_connect(address: Address, usual: bool, rules: IsoRules) -> bool:
    """Whether an image may come from this address; from a public one on the usual port of its scheme only."""
    inner = without_wrapping(address)
    if any(inner in network for network in rules.allowed_networks if network.version == inner.version):
        return True
    return usual and is_public(inner)


def is_public(address: Address) -> bool:
    """Whether the address belongs to one machine on the public internet."""
    if isinstance(address, IPv6Address) and address not in GLOBAL_UNICAST:
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)


def without_wrapping(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, where it does: mapped, through 6to4 or through NAT64."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def parsed(text: str) -> Address | None:
    """An address; None for what is none, or belongs to one link only."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return None if isinstance(address, IPv6Address) and address.scope_id is not None else address


def literal(host: str) -> Address | None:
    """The address that a host in a URL is by itself, in any notation that resolvers understand (`127.1`, `0x7f.1`)."""
    if (address := parsed(host)) is not None:
        return address
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        return None
