"""Pools of addresses: public ones, and those for private networks."""

import click

from bluelobster.admin.session import Wrong, run, show
from bluelobster.db.pool import transaction
from bluelobster.network.add_pool import InternalPool, PublicPool, add_internal_pool, add_public_pool
from bluelobster.network.pools import PoolUse, list_pools, remove_pool, withdraw_addresses
from bluelobster.network.spans import address_of
from bluelobster.parts import Parts

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
    wanted = PublicPool(region_name, network, gateway, first, last, nameservers)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            added = await add_public_pool(tx, wanted)
        click.echo(f"{added.addresses} addresses of {network} saved for {region_name}")

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
def add_private_networks(
    region_name: str, network: str, first_tag: int, last_tag: int, first: str | None, last: str | None
) -> None:
    """Give each account a private network in a region, or more addresses to those networks. Machines are on it where
    their host has an internal bridge (`host internal-bridge`)."""
    wanted = InternalPool(region_name, network, first_tag, last_tag, first, last)

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            added = await add_internal_pool(tx, wanted)
        click.echo(f"{added.addresses} internal addresses of {network} saved for {region_name}")

    run(action)


@pool.command("remove")
@click.argument("network")
@click.option("--first", help="Only addresses from this one …")
@click.option("--last", help="… to this one; the pool stays")
def remove(network: str, first: str | None, last: str | None) -> None:
    """Give a pool's addresses to nobody any more, once no machine has one of them."""
    if (first is None) != (last is None):
        raise Wrong("--first and --last go together")

    async def action(parts: Parts) -> None:
        async with transaction(parts.pool) as tx:
            known = next((each for each in await list_pools(tx) if each.network == network), None)
            if known is None:
                raise Wrong(f"there is no pool {network}")
            if first is None or last is None:
                await remove_pool(tx, known.id)
                click.echo(f"pool {network} removed")
                return
            span = (address_of("first", first), address_of("last", last))
            click.echo(f"{await withdraw_addresses(tx, known.id, *span)} addresses of {network} removed")

    run(action)


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
