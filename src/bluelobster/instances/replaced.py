"""Machines that a restore replaced, or that it began to make in vain: they go when nobody waits for it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.instances.machine import Machine, is_blank, is_marked
from bluelobster.pve import PveClient, errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp, TryAgain

log = logging.getLogger(__name__)

STOP_SECONDS = 60.0
DESTROY_SECONDS = 600.0


@dataclass(frozen=True)
class Replaced:
    """A machine of no use any more, by its number on a host."""

    vmid: int
    host_id: str
    instance_id: UUID


async def leave_behind(tx: Tx, vmid: int, instance_id: UUID, now: datetime) -> None:
    """From here on the machine with this number is nobody's. It keeps its room on the host until it is gone."""
    await tx.execute(
        """insert into replaced_machines (vmid, host_id, instance_id, disk_gb, replaced_at)
           select %s, host_id, id, disk_gb, %s from instances where id = %s""",
        (vmid, now, instance_id),
    )


async def remove_replaced_machines(pool: Pool, connections: Connections) -> None:
    """Remove every one that can be removed now, and give back its room; the others are tried again next time."""
    for each in await _all(pool):
        try:
            client = await connections.to(each.host_id)
            gone = await remove_machine(partial(_same, client), each.vmid, each.instance_id)
        except (errors.PveError, GiveUp) as error:
            log.error(
                "machine %s of host %s, which instance %s has no use for, cannot be removed: %s: %s",
                each.vmid,
                each.host_id,
                each.instance_id,
                type(error).__name__,
                error,
            )
            continue
        if gone:
            async with transaction(pool) as tx:
                room = await _forget(tx, "vmid = %s", each.vmid)
                await tx.execute(
                    "update hosts set disk_gb_used = disk_gb_used - %s where id = %s", (room, each.host_id)
                )


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


def _same(client: PveClient) -> PveClient:
    return client


async def remove_machine(reach: Callable[[], PveClient], vmid: int, instance_id: UUID) -> bool:
    """Stop and remove a machine of the instance with its disks, and nothing that the machine was only lent, such as
    images in its CD drives. False while the hypervisor still works on it; True when there is none. A number under which
    there is somebody else's machine: GiveUp. One with a lock that an interrupted task left behind: VmLocked. Safe to
    repeat. `reach` gives the client to whoever may still act. Raises PveError.
    """
    if await reach().running_tasks(vmid):
        return False
    try:
        config = await reach().vm_config(vmid)
    except errors.VmNotFound:
        return True
    # Our own sequence chose the number: without any configuration it is what a restore that failed left there.
    if not (is_marked(config, instance_id) or is_blank(config)):
        raise GiveUp("the hypervisor has another machine under its number")
    if config.lock:
        raise errors.VmLocked(f"VM is locked ({config.lock}), and no task holds it: qm unlock {vmid}")
    if (await reach().vm_status(vmid)).power != "stopped":
        await reach().wait(await reach().stop(vmid), timeout=STOP_SECONDS)
    await reach().wait(await reach().destroy(vmid), timeout=DESTROY_SECONDS)
    return True


async def destroy_replaced(machine: Machine, node: Node) -> None:
    """Remove what the machine was before it was restored, if it is still there."""
    for vmid in machine.replaced:
        if not await remove_machine(lambda: node.pve, vmid, machine.id):
            raise TryAgain("the hypervisor still works on a machine that was replaced")


async def forget_replaced(machine: Machine, tx: Tx) -> int:
    """What `destroy_replaced` removed is gone; the disk that it had, in GB, is still to be given back."""
    return await _forget(tx, "instance_id = %s", machine.id)


async def _forget(tx: Tx, which: str, value: int | UUID) -> int:
    cursor = await tx.execute(f"delete from replaced_machines where {which} returning disk_gb", (value,))
    return sum(row[0] for row in await cursor.fetchall())
