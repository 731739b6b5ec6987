"""Delete: from the request to nothing left, here and on the hypervisor."""

from datetime import datetime
from uuid import UUID

from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.instances.find import Found, begin, busy, must_be_rented
from bluelobster.instances.guest import destroy, stop
from bluelobster.instances.machine import Machine, host_of, load_machine
from bluelobster.instances.place import release_everything
from bluelobster.instances.replaced import destroy_replaced, forget_replaced
from bluelobster.tasks.operation import Ended, Operation, Step
from bluelobster.tasks.spawn import Origin


async def request_deletion(tx: Tx, instance: Found, origin: Origin, now: datetime) -> UUID:
    """Queue a deletion. Raises InvalidRequest unless the instance is rented and idle."""
    must_be_rented(instance)
    task_id = await begin(tx, DELETE, instance, origin, now, busy(), "Deletion queued")
    await tx.execute("update instances set status = 'terminating', updated_at = %s where id = %s", (now, instance.id))
    await record_instance(tx, "instance.terminating", instance.id, now)
    return task_id


async def forget(machine: Machine, tx: Tx, clock: Clock) -> Ended:
    replaced_gb = await forget_replaced(machine, tx)
    await release_everything(tx, machine.id, "deleted", clock.now(), more_disk_gb=replaced_gb)
    await record_instance(tx, "instance.deleted", machine.id, clock.now())
    return Ended("Instance deleted successfully")


async def keep(machine: Machine, tx: Tx, clock: Clock) -> None:
    """The machine, or a part of it, is still there: it stays the customer's, who may ask again."""
    await tx.execute(
        "update instances set status = 'rented', power_status = 'unknown', updated_at = %s where id = %s",
        (clock.now(), machine.id),
    )
    await record_instance(tx, "instance.power", machine.id, clock.now())


DELETE = Operation[Machine](
    name="delete_instance",
    load=load_machine,
    host_of=host_of,
    steps=(
        Step("Stopping the machine", stop),
        Step("Removing what it was before it was restored", destroy_replaced),
        Step("Removing the machine and its disks", destroy),
    ),
    done=forget,
    failed=keep,
    complaint="Failed to delete VM",
    deadline_seconds=15 * 60,
)
