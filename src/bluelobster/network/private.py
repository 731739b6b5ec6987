"""Private networks: in a region with an internal pool every account has one of its own, told apart by a VLAN tag."""

from uuid import UUID

from bluelobster.db.pool import Tx


class NoTag(Exception):
    """All tags of the region's internal pool are in use."""


async def join_network(tx: Tx, account_id: UUID, region: str) -> int:
    """Count one more machine on an account's network, which begins with the first; its tag. Raises NoTag."""
    tag = await _one_more(tx, account_id, region)
    if tag is not None:
        return tag
    # Whoever begins a network waits here for others who do: each sees the tags that are taken.
    await tx.execute("select from address_pools where region = %s and kind = 'internal' for no key update", (region,))
    tag = await _one_more(tx, account_id, region)
    return tag if tag is not None else await _begin(tx, account_id, region)


async def _one_more(tx: Tx, account_id: UUID, region: str) -> int | None:
    cursor = await tx.execute(
        "update account_networks set machines = machines + 1 where region = %s and account_id = %s returning tag",
        (region, account_id),
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def _begin(tx: Tx, account_id: UUID, region: str) -> int:
    cursor = await tx.execute(
        """insert into account_networks (region, account_id, tag, machines)
           select p.region, %s, free.tag, 1 from address_pools p, generate_series(p.first_tag, p.last_tag) free(tag)
           where p.region = %s and p.kind = 'internal'
             and not exists (select from account_networks n where n.region = p.region and n.tag = free.tag)
           order by free.tag limit 1 returning tag""",
        (account_id, region),
    )
    row = await cursor.fetchone()
    if row is None:
        raise NoTag(region)
    return int(row[0])


async def leave_network(tx: Tx, instance_id: UUID) -> None:
    """Count one machine less, if it was on a network; with the last one the tag is free."""
    cursor = await tx.execute(
        """update account_networks n set machines = machines - 1 from instances i
           where i.id = %s and n.region = i.region and n.account_id = i.account_id
             and exists (select from addresses a where a.instance_id = i.id and a.tag is not null)
           returning n.region, n.account_id""",
        (instance_id,),
    )
    if row := await cursor.fetchone():
        await tx.execute("delete from account_networks where region = %s and account_id = %s and machines = 0", row)
