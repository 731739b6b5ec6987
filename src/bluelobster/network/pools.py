"""Pools: the networks whose addresses are given to machines, public ones and those inside a region."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.db.pool import Tx


@dataclass(frozen=True)
class PoolUse:
    """A pool and how full it is. An internal one has no gateway but a range of VLAN tags."""

    region: str
    network: str
    kind: str
    gateway: str | None
    first_tag: int | None
    last_tag: int | None
    total: int
    used: int


async def save_pool(
    tx: Tx,
    region: str,
    network: IPv4Network,
    gateway: IPv4Address,
    nameservers: Iterable[str],
    addresses: Iterable[IPv4Address],
) -> None:
    """Add a pool with these addresses to give, or add addresses to it."""
    cursor = await tx.execute(
        """insert into address_pools (id, region, network, kind, gateway, nameservers)
           values (%s, %s, %s, 'public', %s, %s::inet[])
           on conflict (network) do update set gateway = excluded.gateway, nameservers = excluded.nameservers
           returning id""",
        (uuid4(), region, network, gateway, list(nameservers)),
    )
    await _add(tx, await cursor.fetchone(), addresses)


async def save_internal_pool(
    tx: Tx, region: str, network: IPv4Network, tags: tuple[int, int], addresses: Iterable[IPv4Address]
) -> None:
    """Let machines of a region reach those of their own account: with an address of `network`, on a VLAN with a tag
    from the first to the last of `tags`, one an account. A region has one such pool; more addresses may be added."""
    cursor = await tx.execute(
        """insert into address_pools (id, region, network, kind, first_tag, last_tag)
           values (%s, %s, %s, 'internal', %s, %s)
           on conflict (network) do update set first_tag = excluded.first_tag, last_tag = excluded.last_tag
           returning id""",
        (uuid4(), region, network, *tags),
    )
    await _add(tx, await cursor.fetchone(), addresses)


async def _add(tx: Tx, pool: tuple[UUID] | None, addresses: Iterable[IPv4Address]) -> None:
    if pool is None:
        raise LookupError("the pool was not saved")
    await tx.execute(
        """insert into addresses (address, pool_id) select unnest(%s::inet[]), %s
           on conflict (address) do nothing""",
        (list(addresses), pool[0]),
    )


async def list_pools(tx: Tx) -> list[PoolUse]:
    async with tx.cursor(row_factory=class_row(PoolUse)) as cursor:
        await cursor.execute(
            """select p.region, p.network::text, p.kind, host(p.gateway) as gateway, p.first_tag, p.last_tag,
                      count(a.address)::int as total, count(a.instance_id)::int as used
               from address_pools p left join addresses a on a.pool_id = p.id
               group by p.id order by p.region, p.kind desc, p.network"""
        )
        return await cursor.fetchall()
