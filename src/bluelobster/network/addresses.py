"""Public addresses: pools by region; each address belongs to at most one machine."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.db.pool import Tx


@dataclass(frozen=True)
class Assigned:
    """An address in use, with what a guest must know to use it."""

    address: str
    prefix: int
    gateway: str
    nameservers: list[str]
    mac: str


@dataclass(frozen=True)
class PoolUse:
    """A pool and how full it is."""

    region: str
    network: str
    gateway: str
    total: int
    used: int


class NoAddress(Exception):
    """The region has no free address."""


def mac_for(instance_id: UUID, index: int) -> str:
    """The MAC address of a machine's NIC: derived, locally administered, the same whenever it is asked for."""
    digest = hashlib.sha256(f"{instance_id}/{index}".encode()).digest()
    return ":".join(f"{octet:02X}" for octet in (0x02, *digest[:5]))


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
        """insert into address_pools (id, region, network, gateway, nameservers) values (%s, %s, %s, %s, %s::inet[])
           on conflict (network) do update set gateway = excluded.gateway, nameservers = excluded.nameservers
           returning id""",
        (uuid4(), region, network, gateway, list(nameservers)),
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("the pool was not saved")
    async with tx.cursor() as many:
        await many.executemany(
            "insert into addresses (address, pool_id) values (%s, %s) on conflict (address) do nothing",
            [(address, row[0]) for address in addresses],
        )


async def list_pools(tx: Tx) -> list[PoolUse]:
    async with tx.cursor(row_factory=class_row(PoolUse)) as cursor:
        await cursor.execute(
            """select p.region, p.network::text, host(p.gateway) as gateway, count(a.address)::int as total,
                      count(a.instance_id)::int as used
               from address_pools p left join addresses a on a.pool_id = p.id
               group by p.id order by p.region, p.network"""
        )
        return await cursor.fetchall()


async def assign_primary(tx: Tx, instance_id: UUID, region: str, now: datetime) -> str:
    """Give a machine its first address: the one that has been free for longest. Raises NoAddress."""
    cursor = await tx.execute(
        """update addresses set instance_id = %s, is_primary = true, mac = %s, assigned_at = %s, released_at = null
           where address = (
             select a.address from address_pools p cross join lateral (
               select address, released_at from addresses
               where pool_id = p.id and instance_id is null
               order by released_at nulls first, address limit 1 for update skip locked) a
             where p.region = %s order by a.released_at nulls first, a.address limit 1)
           returning host(address)""",
        (instance_id, mac_for(instance_id, 0), now, region),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NoAddress(region)
    await tx.execute(
        """update instances i set address = host(a.address) || '/' || masklen(p.network)
           from addresses a join address_pools p on p.id = a.pool_id where a.instance_id = i.id and i.id = %s""",
        (instance_id,),
    )
    address: str = row[0]
    return address


async def release_addresses(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """Take every address of a machine back into its pool."""
    await tx.execute(
        """update addresses set instance_id = null, is_primary = null, mac = null, assigned_at = null, released_at = %s
           where instance_id = %s""",
        (now, instance_id),
    )


async def primary_of(tx: Tx, instance_id: UUID) -> Assigned | None:
    async with tx.cursor(row_factory=class_row(Assigned)) as cursor:
        await cursor.execute(
            """select host(a.address) as address, masklen(p.network) as prefix, host(p.gateway) as gateway,
                      array(select host(n) from unnest(p.nameservers) n) as nameservers, upper(a.mac::text) as mac
               from addresses a join address_pools p on p.id = a.pool_id
               where a.instance_id = %s and a.is_primary""",
            (instance_id,),
        )
        return await cursor.fetchone()
