"""Power: shut down, force off, on, cycle and reset a machine."""

from datetime import datetime
from typing import Any
from uuid import UUID

from bluelobster.billing.require import require_not_suspended
from bluelobster.catalog.maintenances import find_maintenance
from bluelobster.clock import Clock, rfc3339
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.http.errors import Conflict, InvalidRequest
from bluelobster.instances.find import Found, begin, busy, must_be_rented, order, queued_answer
from bluelobster.instances.guest import apply_name, start, stop, wait_for_guest
from bluelobster.instances.machine import Machine, host_of, load_machine
from bluelobster.pve import errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step
from bluelobster.tasks.spawn import Busy, Origin, record_done

SHUTDOWN_SECONDS = 90


async def press_power_button(machine: Machine, node: Node) -> None:
    """Ask the guest to shut down; it is never forced."""
    if await machine.config(node.pve) is None:
        raise GiveUp("the hypervisor does not have the machine")
    if (await node.pve.vm_status(machine.vmid)).power == "stopped":
        return
    try:
        await node.finish("shutdown", lambda: node.pve.shutdown(machine.vmid, SHUTDOWN_SECONDS))
    except errors.VmNotRunning:
        return
    except (errors.GuestTimeout, errors.VmPaused) as error:
        raise GiveUp(f"the guest did not shut down within {SHUTDOWN_SECONDS} s; use force-shutdown") from error


async def reset(machine: Machine, node: Node) -> None:
    """Press the reset button."""
    if await machine.config(node.pve) is None:
        raise GiveUp("the hypervisor does not have the machine")
    try:
        await node.finish("reset", lambda: node.pve.reset(machine.vmid))
    except errors.VmNotRunning as error:
        raise GiveUp("the machine is not running") from error


async def _set_power(machine: Machine, tx: Tx, clock: Clock, power: str) -> None:
    await tx.execute(
        "update instances set power_status = %s, updated_at = %s where id = %s", (power, clock.now(), machine.id)
    )
    if power != machine.power_status:
        await record_instance(tx, "instance.power", machine.id, clock.now())


async def off(machine: Machine, tx: Tx, clock: Clock) -> Ended:
    await _set_power(machine, tx, clock, "stopped")
    return Ended("VM is stopped")


async def on(machine: Machine, tx: Tx, clock: Clock) -> Ended:
    await _set_power(machine, tx, clock, "running")
    return Ended("VM is running")


async def rebooted(machine: Machine, tx: Tx, clock: Clock) -> Ended:
    await _set_power(machine, tx, clock, "running")
    return Ended("Instance rebooted successfully")


async def leave_unknown(machine: Machine, tx: Tx, clock: Clock) -> None:
    """Nobody can say how far it came: reconciliation will look."""
    await _set_power(machine, tx, clock, "unknown")


def _operation(
    name: str, complaint: str, steps: tuple[Step[Machine], ...], done: Any, minutes: int
) -> Operation[Machine]:
    return Operation(
        name=name,
        load=load_machine,
        host_of=host_of,
        steps=steps,
        done=done,
        failed=leave_unknown,
        complaint=complaint,
        deadline_seconds=minutes * 60,
    )


STOP = Step[Machine]("Stopping the machine", stop)
NAME = Step[Machine]("Applying the name", apply_name)
START = Step[Machine]("Starting the machine", start)
GUEST = Step[Machine]("Waiting for the guest to boot", wait_for_guest)

SHUTDOWN = _operation(
    "shutdown_instance",
    "Failed to shutdown instance",
    (Step("Waiting for the guest to shut down", press_power_button),),
    off,
    5,
)
FORCE_SHUTDOWN = _operation("force_shutdown_instance", "Failed to force shutdown instance", (STOP,), off, 5)
POWER_ON = _operation("power_on_instance", "Failed to power on instance", (NAME, START, GUEST), on, 10)
POWER_CYCLE = _operation("power_cycle_instance", "Failed to power cycle instance", (STOP, NAME, START, GUEST), on, 10)
REBOOT = _operation(
    "reboot_instance", "Failed to reboot Instance", (Step("Resetting the machine", reset), GUEST), rebooted, 10
)

ALREADY = {SHUTDOWN.name: "stopped", FORCE_SHUTDOWN.name: "stopped", POWER_ON.name: "running"}
RUNS = frozenset((POWER_ON.name, POWER_CYCLE.name))
QUEUED = {
    SHUTDOWN.name: "VM shutdown queued",
    FORCE_SHUTDOWN.name: "VM force shutdown queued",
    POWER_ON.name: "VM power on queued",
    POWER_CYCLE.name: "VM power cycle queued",
}


async def change_power(
    tx: Tx, operation: Operation[Machine], instance: Found, origin: Origin, now: datetime
) -> dict[str, Any]:
    """Queue a power operation; where the machine is as asked for already, the task is complete at once.
    Raises InvalidRequest, and PaymentRequired for running one of a suspended account."""
    must_be_rented(instance)
    if operation.name in RUNS:
        await require_not_suspended(tx, origin.account_id)
    power = ALREADY.get(operation.name)
    if power is not None and instance.power_status == power:
        message = f"VM is {power} already"
        try:
            task_id = await record_done(tx, order(operation, instance.id, instance.host_id, origin, now, message))
        except Busy:
            raise busy() from None
        return dict(queued_answer(instance, task_id, "COMPLETED", message))
    await _must_be_startable(tx, operation, instance)
    message = QUEUED[operation.name]
    task_id = await begin(tx, operation, instance, origin, now, busy(), message)
    return dict(queued_answer(instance, task_id, "PENDING", message))


async def _must_be_startable(tx: Tx, operation: Operation[Machine], instance: Found) -> None:
    """Raises InvalidRequest where machines are stopped for maintenance of their host, and this would start one."""
    if operation.name not in {POWER_ON.name, POWER_CYCLE.name}:
        return
    maintenance = await find_maintenance(tx, instance.host_id)
    if maintenance is not None and maintenance.stops != "none":
        expected = rfc3339(maintenance.expected_end_at)
        raise InvalidRequest("invalid_state", f"The instance's host is in maintenance, which is to end at {expected}")


async def request_reboot(tx: Tx, instance: Found, origin: Origin, now: datetime) -> UUID:
    """Queue a reset of a running machine. Raises InvalidRequest for a stopped one, PaymentRequired and Conflict
    while another operation runs."""
    await require_not_suspended(tx, origin.account_id)
    in_progress = Conflict("operation_in_progress", "Another operation is in progress on this Instance")
    if instance.status != "rented":
        raise in_progress
    if instance.power_status == "stopped":
        raise InvalidRequest("invalid_state", "Instance is stopped; power it on instead")
    return await begin(tx, REBOOT, instance, origin, now, in_progress, "Reboot queued")
