"""Pools of addresses: public ones, and those for private networks."""

from ipaddress import IPv4Address, IPv4Network

import click

from bluelobster.admin.session import Wrong, run, show
from bluelobster.app import Parts
from bluelobster.db.pool import transaction
from bluelobster.network.pools import PoolUse, list_pools, save_internal_pool, save_pool

LARGEST_POOL = 65_536
FIRST_TAG, LAST_TAG = 2, 4094


@click.group()
def pool() -> None:
    """Addresses to give to machines."""


@pool.command("add")
@click.argument("region_name")
@click.argument("network")
@click.option("--gateway", required=True)
@click.option("--first", help="First address to give (default: the first of the network)")
@click.option("--last", help="Last address to give (default: the last of the network)")
@click.option("--nameserver", "nameservers", multiple=True, help="For the machines; may be given several times")
def add_pool(
    region_name: str, network: str, gateway: str, first: str | None, last: str | None, nameservers: tuple[str, ...]
) -> None:
    """Add a network of public addresses, or more of its addresses, to a region."""
    net = checked_network(network)
    try:
        way_out = IPv4Address(gateway)
        names = [str(IPv4Address(each)) for each in nameservers]
    except ValueError as error:
        raise Wrong(str(error)) from None
    low, high = checked_span(net, first, last)
    if not all(each in net for each in (way_out, low, high)) or low > high:
        raise Wrong(f"gateway, first and last must be in {net}, first before last")
    addresses = [each for each in every(low, high) if each != way_out]
    if not addresses:
        raise Wrong("there is no address to give besides the gateway's")

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await save_pool(tx, region_name, net, way_out, names, addresses)
        click.echo(f"{len(addresses)} addresses of {net} saved for {region_name}")

    run(action)


@pool.command("add-internal")
@click.argument("region_name")
@click.argument("network")
@click.option(
    "--first-tag", type=click.IntRange(FIRST_TAG, LAST_TAG), required=True, help="VLANs to use: from this one"
)
@click.option(
    "--last-tag", type=click.IntRange(FIRST_TAG, LAST_TAG), required=True, help="… to this one, one an account"
)
@click.option("--first", help="First address to give (default: the first of the network)")
@click.option("--last", help="Last address to give (default: the last of the network)")
def add_internal_pool(
    region_name: str, network: str, first_tag: int, last_tag: int, first: str | None, last: str | None
) -> None:
    """Give each account a private network in a region, or more addresses to those networks. Machines are on it where
    their host has an internal bridge (`host internal-bridge`)."""
    net = checked_network(network)
    low, high = checked_span(net, first, last)
    if not all(each in net for each in (low, high)) or low > high:
        raise Wrong(f"first and last must be in {net}, first before last")
    if first_tag > last_tag:
        raise Wrong("the first tag must not be behind the last")
    addresses = every(low, high)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            await save_internal_pool(tx, region_name, net, (first_tag, last_tag), addresses)
        click.echo(f"{len(addresses)} internal addresses of {net} saved for {region_name}")

    run(action)


def checked_network(text: str) -> IPv4Network:
    try:
        net = IPv4Network(text, strict=False)
    except ValueError as error:
        raise Wrong(str(error)) from None
    if str(net) != text:
        raise Wrong(f"{text} is not a network; did you mean {net}?")
    return net


def checked_span(net: IPv4Network, first: str | None, last: str | None) -> tuple[IPv4Address, IPv4Address]:
    """The first and the last address to give."""
    try:
        low = IPv4Address(first) if first else net.network_address + 1
        high = IPv4Address(last) if last else net.broadcast_address - 1
    except ValueError as error:
        raise Wrong(str(error)) from None
    if int(high) - int(low) >= LARGEST_POOL:
        raise Wrong(f"at most {LARGEST_POOL} addresses at once; give --first and --last")
    return low, high


def every(low: IPv4Address, high: IPv4Address) -> list[IPv4Address]:
    return [IPv4Address(number) for number in range(int(low), int(high) + 1)]


@pool.command("list")
def show_pools() -> None:
    """Show all pools and how full they are."""

    async def action(parts: Parts) -> None:
        async with parts.pool.connection() as connection:
            pools = await list_pools(connection)
        show(
            ("region", "network", "leads to", "addresses", "used"),
            [(p.region, p.network, way_of(p), p.total, p.used) for p in pools],
        )

    run(action)


def way_of(pool: PoolUse) -> str | None:
    return pool.gateway if pool.kind == "public" else f"VLANs {pool.first_tag}-{pool.last_tag}"
