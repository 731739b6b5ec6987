"""Pools as an operator asks for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.network.pools import save_internal_pool, save_pool
from bluelobster.network.spans import address_of, internal_addresses, network_of, public_addresses, wrong


@dataclass(frozen=True)
class Added:
    """A pool, and how many addresses were asked for: those that it had already are not had twice."""

    id: UUID
    addresses: int


@dataclass(frozen=True)
class PublicPool:
    """A network of public addresses, of which those from `first` to `last` are given: all, where nothing is said."""

    region: str
    network: str
    gateway: str
    first: str | None = None
    last: str | None = None
    nameservers: Sequence[str] = ()


@dataclass(frozen=True)
class InternalPool:
    """A network of which each account of a region has one of its own, on a VLAN from the first tag to the last."""

    region: str
    network: str
    first_tag: int
    last_tag: int
    first: str | None = None
    last: str | None = None


async def add_public_pool(tx: Tx, wanted: PublicPool) -> Added:
    """Add a network to a region, or more of its addresses. Raises InvalidRequest."""
    net, gateway = network_of(wanted.network), address_of("gateway", wanted.gateway)
    names = [str(address_of("nameservers", each)) for each in wanted.nameservers]
    addresses = public_addresses(net, gateway, wanted.first, wanted.last)
    return Added(await save_pool(tx, wanted.region, net, gateway, names, addresses), len(addresses))


async def add_internal_pool(tx: Tx, wanted: InternalPool) -> Added:
    """Give each account a private network in a region, or more addresses to those networks. Raises InvalidRequest."""
    net = network_of(wanted.network)
    addresses = internal_addresses(net, wanted.first, wanted.last)
    if wanted.first_tag > wanted.last_tag:
        raise wrong("first_tag, last_tag", "the first tag must not be behind the last")
    tags = (wanted.first_tag, wanted.last_tag)
    return Added(await save_internal_pool(tx, wanted.region, net, tags, addresses), len(addresses))
