"""Machines that a restore replaced: they go when nobody waits for it."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool, transaction
from bluelobster.instances.machine import NotOurs
from bluelobster.instances.replaced import give_back_room, remove_machine
from bluelobster.reconcile.one_of_many import AT_ONCE, one_of_many

log = logging.getLogger(__name__)

# What takes a host longer goes on there, and is looked at again next time.
MACHINE_SECONDS = 60.0


@dataclass(frozen=True)
class Replaced:
    """A machine of no use any more, by its number on a host."""

    vmid: int
    host_id: str
    instance_id: UUID

    def __str__(self) -> str:
        return f"machine {self.vmid} of host {self.host_id}, which instance {self.instance_id} has no use for"


async def remove_replaced_machines(pool: Pool, connections: Connections) -> None:
    """Remove every one that can be removed now, and give back its room; the others are tried again next time. No host
    waits for another."""
    of_hosts: defaultdict[str, list[Replaced]] = defaultdict(list)
    for each in await _all(pool):
        of_hosts[each.host_id].append(each)
    turn = asyncio.Semaphore(AT_ONCE)

    async def clean(machines: Sequence[Replaced]) -> None:
        for each in machines:
            async with turn, one_of_many(str(each), MACHINE_SECONDS):
                await _remove(pool, connections, each)

    await asyncio.gather(*map(clean, of_hosts.values()))


async def _remove(pool: Pool, connections: Connections, replaced: Replaced) -> None:
    client = await connections.to(replaced.host_id)
    try:
        gone = await remove_machine(lambda: client, replaced.vmid, replaced.instance_id)
    except NotOurs as reason:
        log.error("%s, stays: %s", replaced, reason)
        return
    if gone:
        async with transaction(pool) as tx:
            await give_back_room(tx, replaced.vmid, replaced.host_id)


async def _all(pool: Pool) -> list[Replaced]:
    """Never one that an instance goes by, whatever else the records say."""
    async with pool.connection() as connection, connection.cursor(row_factory=class_row(Replaced)) as cursor:
        await cursor.execute(
            """select vmid, host_id, instance_id from replaced_machines r
               where not exists (select from instances i where i.ended_at is null
                                 and r.vmid in (i.vmid, i.restoring_vmid, i.replaced_vmid))
                 and not exists (select from hosts h where h.id = r.host_id and h.status = 'maintenance')
               order by replaced_at"""
        )
        return await cursor.fetchall()
