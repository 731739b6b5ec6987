"""Machines with our tag that no record knows: of a cloud whose database was brought back from a backup, most likely.

They run, nobody pays for them, and their addresses and cards may be given to others. To remove them is for somebody who
knows whose they are.
"""

import logging
from collections.abc import Sequence

from bluelobster.catalog.hosts import Host
from bluelobster.db.pool import Pool
from bluelobster.instances.blueprint import TAG
from bluelobster.pve import PveClient, VmSummary, errors

log = logging.getLogger(__name__)


class Strays:
    """Tells of each once."""

    def __init__(self) -> None:
        self._told: set[tuple[str, int]] = set()

    async def tell(self, pool: Pool, client: PveClient, host: Host, machines: Sequence[VmSummary]) -> None:
        """Log those among a host's machines. Raises PveError."""
        marked = {each.vmid: each for each in machines if TAG in each.tags and (host.id, each.vmid) not in self._told}
        for vmid in await unknown(pool, sorted(marked)) if marked else ():
            if await is_still_there(client, vmid):
                name = marked[vmid].name
                log.error("host %s: machine %s (%s) has our tag, but no instance knows it", host.id, vmid, name)
                self._told.add((host.id, vmid))


async def unknown(pool: Pool, vmids: Sequence[int]) -> list[int]:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select vmid from unnest(%s::int[]) as vmid
               except select unnest(array[vmid, restoring_vmid, replaced_vmid]) from instances where ended_at is null
               except select vmid from replaced_machines
               order by vmid""",
            (vmids,),
        )
        return [row[0] for row in await cursor.fetchall()]


async def is_still_there(client: PveClient, vmid: int) -> bool:
    """The list is older than the records: a machine may have been deleted since."""
    try:
        await client.vm_status(vmid)
    except errors.VmNotFound:
        return False
    return True
