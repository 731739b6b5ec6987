"""Machines that a restore replaced, or that it began to make in vain: they go when nobody waits for it."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.instances.machine import Machine, NotOurs, is_blank, is_marked
from bluelobster.pve import PveClient, errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import TryAgain

STOP_SECONDS = 60.0
DESTROY_SECONDS = 600.0


async def leave_behind(tx: Tx, vmid: int, instance_id: UUID, now: datetime) -> None:
    """From here on the machine with this number is nobody's. It keeps its room on the host until it is gone."""
    await tx.execute(
        """insert into replaced_machines (vmid, host_id, instance_id, disk_gb, replaced_at)
           select %s, host_id, id, disk_gb, %s from instances where id = %s""",
        (vmid, now, instance_id),
    )


async def remove_machine(reach: Callable[[], PveClient], vmid: int, instance_id: UUID) -> bool:
    """Stop and remove a machine of the instance with its disks, and nothing that the machine was only lent, such as
    images in its CD drives. False while the hypervisor still works on it; True when there is none. A number under which
    there is somebody else's machine: NotOurs. One with a lock that an interrupted task left behind: VmLocked. Safe to
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
        raise NotOurs
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


async def give_back_room(tx: Tx, vmid: int, host_id: str) -> None:
    """The machine with this number is gone from its host."""
    room = await _forget(tx, "vmid = %s", vmid)
    await tx.execute("update hosts set disk_gb_used = disk_gb_used - %s where id = %s", (room, host_id))


async def _forget(tx: Tx, which: str, value: int | UUID) -> int:
    cursor = await tx.execute(f"delete from replaced_machines where {which} returning disk_gb", (value,))
    return sum(row[0] for row in await cursor.fetchall())
