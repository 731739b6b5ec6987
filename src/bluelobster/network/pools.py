"""Pools: the networks whose addresses are given to machines, public ones and those inside a region."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest, NotFound


@dataclass(frozen=True)
class PoolUse:
    """A pool and how full it is. An internal one has no gateway but a range of VLAN tags."""

    id: UUID
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
) -> UUID:
    """Add a pool with these addresses to give, or add addresses to it. Raises InvalidRequest."""
    cursor = await tx.execute(
        """insert into address_pools (id, region, network, kind, gateway, nameservers)
           values (%s, %s, %s, 'public', %s, %s::inet[])
           on conflict (network) do update set gateway = excluded.gateway, nameservers = excluded.nameservers
             where address_pools.region = excluded.region
           returning id""",
        (uuid4(), region, network, gateway, list(nameservers)),
    )
    return await _add(tx, await cursor.fetchone(), addresses)


async def save_internal_pool(
    tx: Tx, region: str, network: IPv4Network, tags: tuple[int, int], addresses: Iterable[IPv4Address]
) -> UUID:
    """Let machines of a region reach those of their own account: with an address of `network`, on a VLAN with a tag
    from the first to the last of `tags`, one an account. A region has one such pool; more addresses may be added.
    Raises InvalidRequest."""
    cursor = await tx.execute(
        """insert into address_pools (id, region, network, kind, first_tag, last_tag)
           values (%s, %s, %s, 'internal', %s, %s)
           on conflict (network) do update set first_tag = excluded.first_tag, last_tag = excluded.last_tag
             where address_pools.region = excluded.region
           returning id""",
        (uuid4(), region, network, *tags),
    )
    return await _add(tx, await cursor.fetchone(), addresses)


async def _add(tx: Tx, pool: tuple[UUID] | None, addresses: Iterable[IPv4Address]) -> UUID:
    """Raises InvalidRequest where the network is another region's."""
    if pool is None:
        raise InvalidRequest("network_taken", "network: this is a pool of another region already")
    await tx.execute(
        """insert into addresses (address, pool_id) select address, %s from unnest(%s::inet[]) as address
           on conflict (address) do nothing""",
        (pool[0], [str(address) for address in addresses]),
    )
    return pool[0]


async def list_pools(tx: Tx) -> list[PoolUse]:
    async with tx.cursor(row_factory=class_row(PoolUse)) as cursor:
        await cursor.execute(
            """select p.id, p.region, p.network::text, p.kind, host(p.gateway) as gateway, p.first_tag, p.last_tag,
                      count(a.address)::int as total, count(a.instance_id)::int as used
               from address_pools p left join addresses a on a.pool_id = p.id
               group by p.id order by p.region, p.kind desc, p.network"""
        )
        return await cursor.fetchall()


async def find_pool(tx: Tx, pool_id: UUID) -> PoolUse:
    """Raises NotFound."""
    for each in await list_pools(tx):
        if each.id == pool_id:
            return each
    raise pool_not_found()


def pool_not_found() -> NotFound:
    return NotFound("pool_not_found", "There is no such pool")


async def withdraw_addresses(tx: Tx, pool_id: UUID, first: IPv4Address, last: IPv4Address) -> int:
    """Give these addresses to nobody any more; how many there were. Raises NotFound, and Conflict while a machine has
    one of them."""
    await _hold(tx, pool_id)
    cursor = await tx.execute(
        """select address, instance_id is not null from addresses
           where pool_id = %s and address between %s and %s order by address for update""",
        (pool_id, first, last),
    )
    found = await cursor.fetchall()
    _must_be_free([row[0] for row in found if row[1]])
    await tx.execute("delete from addresses where address = any(%s)", ([row[0] for row in found],))
    return len(found)


async def remove_pool(tx: Tx, pool_id: UUID) -> None:
    """Forget a pool with its addresses. Raises NotFound, and Conflict while a machine has one of them."""
    await withdraw_addresses(tx, pool_id, IPv4Address(0), IPv4Address(2**32 - 1))
    await tx.execute("delete from address_pools where id = %s", (pool_id,))


async def _hold(tx: Tx, pool_id: UUID) -> None:
    """Nobody adds to a pool until the end of `tx`."""
    cursor = await tx.execute("select from address_pools where id = %s for update", (pool_id,))
    if cursor.rowcount == 0:
        raise pool_not_found()


def _must_be_free(taken: list[IPv4Address]) -> None:
    if taken:
        more = f" and {len(taken) - 1} more" if len(taken) > 1 else ""
        raise Conflict("addresses_in_use", f"machines have {taken[0]}{more}")
