"""Addresses: pools by region; each address belongs to at most one machine, on a network card of its own."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.network.private import NoTag, join_network, leave_network


@dataclass(frozen=True)
class Assigned:
    """An address in use, with what hypervisor and guest must know of it.

    `nic` numbers the card that it is on; the primary address has card 0. An address inside the account's own network
    has that network's VLAN `tag` and no gateway.
    """

    address: str
    prefix: int
    gateway: str | None
    nameservers: list[str]
    mac: str
    nic: int
    tag: int | None

    @property
    def is_primary(self) -> bool:
        return self.nic == 0


@dataclass(frozen=True)
class Listed(Assigned):
    """An address as its customer sees it."""

    price_cents_per_month: int
    assigned_at: datetime


ASSIGNED: LiteralString = """
    select host(a.address) as address, masklen(p.network) as prefix, host(p.gateway) as gateway,
           array(select host(n) from unnest(p.nameservers) n) as nameservers, upper(a.mac::text) as mac, a.nic, a.tag"""
IN_USE: LiteralString = "from addresses a join address_pools p on p.id = a.pool_id"


class NoAddress(Exception):
    """The region has no free address."""


def mac_for(instance_id: UUID, index: int) -> str:
    """The MAC address of a machine's NIC: derived, locally administered, the same whenever it is asked for."""
    digest = hashlib.sha256(f"{instance_id}/{index}".encode()).digest()
    return ":".join(f"{octet:02X}" for octet in (0x02, *digest[:5]))


@dataclass(frozen=True)
class Need:
    """What an address is needed for. `price` is cents a month."""

    instance_id: UUID
    region: str
    nic: int
    tag: int | None = None
    price: int | None = None


def taking(locked: LiteralString) -> LiteralString:
    """The statement that takes an address, and what it does about those that others hold until they commit."""
    return f"""
    with taken as (
      update addresses set instance_id = %(instance_id)s, is_primary = %(nic)s = 0, mac = %(mac)s,
                           assigned_at = %(now)s, released_at = null, nic = %(nic)s, tag = %(tag)s,
                           price_cents_per_month = %(price)s
      where address = (
        select a.address from address_pools p cross join lateral (
          select address, released_at from addresses
          where pool_id = p.id and instance_id is null
          order by released_at nulls first, address limit 1 for update {locked}) a
        where p.region = %(region)s and p.kind = %(kind)s
        order by p.id = (select pool_id from addresses where instance_id = %(instance_id)s and is_primary) desc,
                 a.released_at nulls first, a.address limit 1)
      returning address, pool_id, instance_id, is_primary),
    shown as (
      update instances i set address = host(t.address) || '/' || masklen(p.network)
      from taken t join address_pools p on p.id = t.pool_id where i.id = t.instance_id and t.is_primary)
    select host(address) from taken"""


TAKE_FREE = taking("skip locked")
TAKE_WHAT_IS_LEFT = taking("")


async def take(tx: Tx, need: Need, now: datetime) -> str:
    """The address that has been free for longest, first of all in the network of the machine's primary one, which the
    guest knows the way out of. Raises NoAddress."""
    values = {
        **vars(need),
        "kind": "public" if need.tag is None else "internal",
        "mac": mac_for(need.instance_id, need.nic),
        "now": now,
    }
    row = await (await tx.execute(TAKE_FREE, values)).fetchone()
    if row is None:
        # Each of the others holds one of every pool, and leaves all but one of them.
        row = await (await tx.execute(TAKE_WHAT_IS_LEFT, values)).fetchone()
    if row is None:
        raise NoAddress(need.region)
    address: str = row[0]
    return address


async def assign_primary(tx: Tx, instance_id: UUID, region: str, now: datetime) -> str:
    """Give a machine its first address. Raises NoAddress."""
    return await take(tx, Need(instance_id, region, nic=0), now)


async def assign_internal(tx: Tx, instance_id: UUID, account_id: UUID, region: str, now: datetime) -> None:
    """Give a new machine an address on its account's private network. Raises NoAddress."""
    try:
        tag = await join_network(tx, account_id, region)
    except NoTag as error:
        raise NoAddress(region) from error
    await take(tx, Need(instance_id, region, nic=1, tag=tag), now)


async def release_address(tx: Tx, instance_id: UUID, address: str, now: datetime) -> None:
    """Take one address of a machine back into its pool."""
    await _release(tx, instance_id, address, now)


async def release_addresses(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """Take every address of a machine back into its pool."""
    await leave_network(tx, instance_id)
    await _release(tx, instance_id, None, now)


async def _release(tx: Tx, instance_id: UUID, only: str | None, now: datetime) -> None:
    await tx.execute(
        """update addresses set instance_id = null, is_primary = null, mac = null, assigned_at = null, released_at = %s,
                                nic = null, tag = null, price_cents_per_month = null
           where instance_id = %s and coalesce(address = %s, true)""",
        (now, instance_id, only),
    )


async def addresses_of(tx: Tx, instance_id: UUID) -> list[Listed]:
    """The addresses of a machine, by card."""
    async with tx.cursor(row_factory=class_row(Listed)) as cursor:
        await cursor.execute(
            f"""{ASSIGNED}, coalesce(a.price_cents_per_month, 0) as price_cents_per_month, a.assigned_at
                {IN_USE} where a.instance_id = %s order by a.nic""",
            (instance_id,),
        )
        return await cursor.fetchall()
