"""The lock that Proxmox puts on a machine while one of its tasks works on it, and sometimes leaves behind."""

import asyncio
import logging

from bluelobster.instances.machine import Machine
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import GiveUp

log = logging.getLogger(__name__)

SECOND_LOOK_SECONDS = 1.0
# Tasks that take the machines of a node one after the other; they are about no single one.
SWEEPING = frozenset(("vzdump", "migrateall", "startall", "stopall", "suspendall"))
# Somebody looks at its screen: that locks nothing, and may go on for days.
WATCHING = frozenset(("vncproxy", "spiceproxy", "termproxy"))


async def wait_until_unlocked(machine: Machine, node: Node) -> None:
    """Until the hypervisor does nothing else with the machine. A lock that none of its tasks holds was left behind, and
    no API token may remove it: GiveUp, and the log says what the operator has to do."""
    while lock := await lock_of(machine, node):
        if not await is_worked_on(machine, node):
            # One that ends takes its lock away first, and one that begins is listed first.
            await asyncio.sleep(SECOND_LOOK_SECONDS)
            if await lock_of(machine, node) == lock and not await is_worked_on(machine, node):
                names = (machine.host_id, machine.vmid, machine.id, lock, machine.vmid)
                log.error("host %s: machine %s of instance %s: no task holds its lock (%s); run: qm unlock %s", *names)
                raise GiveUp(
                    f"an earlier operation on the hypervisor ({lock}) was interrupted and has left the machine locked; "
                    "support has to unlock it"
                )
        await node.tell("Waiting for another operation of the hypervisor to end", 0)
        await node.until(lambda: is_free(machine, node))


async def lock_of(machine: Machine, node: Node) -> str | None:
    config = await machine.config(node.pve)
    if config is None:
        raise GiveUp("the hypervisor does not have the machine")
    return config.lock


async def is_free(machine: Machine, node: Node) -> bool:
    """Whether the lock is gone, or nobody holds it."""
    return await lock_of(machine, node) is None or not await is_worked_on(machine, node)


async def is_worked_on(machine: Machine, node: Node) -> bool:
    """Whether a task runs that may hold the lock."""
    return any(
        task.type not in WATCHING if task.vmid == machine.vmid else task.vmid is None and task.type in SWEEPING
        for task in await node.pve.running_tasks()
    )
