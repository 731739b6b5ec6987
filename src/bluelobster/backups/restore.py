"""Restore: from a backup to a machine that takes the instance's place, or to the machine as it was."""

import re
from datetime import datetime

from psycopg.errors import UniqueViolation

from bluelobster.backups.fit_out import changes, disk_of
from bluelobster.backups.restore_name import taken
from bluelobster.backups.restore_subject import Restore, host_of, known, load_restore
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.firewall.carry import carry, clear
from bluelobster.firewall.changing import hold, is_being_changed
from bluelobster.instances import blueprint, guest
from bluelobster.instances.machine import Machine
from bluelobster.instances.names import hostname_of
from bluelobster.instances.protection import protect
from bluelobster.instances.replaced import leave_behind, remove_machine
from bluelobster.instances.seed import bring_seed
from bluelobster.pve import Upid, VmConfig, errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step, TryAgain

PROGRESS = re.compile(r"progress (\d+)%")
# Of the whole operation's progress, what bringing the data back takes.
FIRST_PERCENT, LAST_PERCENT = 15, 75
GIB = 1 << 30


# Steps


async def find_room(restore: Restore, node: Node) -> None:
    """What the backup added to its storage is on the new disk at least."""
    storage = await node.pve.storage_status(restore.instance.storage)
    if not storage.active:
        raise GiveUp("the host's storage does not answer; nothing was changed")
    if storage.available_bytes < restore.source.stored_bytes:
        needed, free = (-(-size // GIB) for size in (restore.source.stored_bytes, storage.available_bytes))
        raise GiveUp(
            f"the host's storage has {free} GB free and the backup needs {needed} GB at least; nothing was changed"
        )


async def bring_back(restore: Restore, node: Node) -> None:
    """Make the new machine from the backup, beside the old one, which goes on. What an earlier try left under its
    number is not gone on with: nobody can say how far it came."""
    new = restore.new
    if not node.has_begun("restore"):
        await make_way(new, node)
    try:
        await node.finish(
            "restore",
            lambda: node.pve.restore_vm(new.vmid, restore.source.volid, new.storage, blueprint.identity(new)),
            Progress(node),
        )
    except errors.VolumeNotFound as error:
        raise GiveUp("the backup is not in its storage any more; the machine was not touched") from error
    except errors.StorageFull as error:
        raise GiveUp("the host's storage is full; the machine was not touched") from error
    except errors.StorageUnavailable as error:
        raise GiveUp("the backup's storage does not answer at the moment; the machine was not touched") from error


async def make_way(new: Machine, node: Node) -> None:
    """Remove what an earlier try left. What was interrupted on the hypervisor itself stays locked until an operator
    unlocks it: the next restore gets another number."""
    try:
        gone = await remove_machine(lambda: node.pve, new.vmid, new.id)
    except errors.VmLocked as error:
        raise GiveUp("it was interrupted on the hypervisor; the machine was not touched, try again") from error
    if not gone:
        raise TryAgain("the hypervisor is still busy with an earlier try")


class Progress:
    """Passes on how far a restore of Proxmox's is, as its log tells."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen = 0

    async def __call__(self, upid: Upid) -> None:
        lines = await self._node.client.task_log(upid, self._seen)
        self._seen += len(lines)
        percents = [int(found[1]) for line in lines if (found := PROGRESS.search(line))]
        if percents:
            progress = FIRST_PERCENT + (LAST_PERCENT - FIRST_PERCENT) * min(percents[-1], 100) // 100
            await self._node.tell(f"Bringing the backup back: {percents[-1]} %", progress)


async def fit_out(restore: Restore, node: Node) -> None:
    """Leave nothing of the machine that was backed up but its system and its data."""
    new = restore.new
    wanted = changes((await _config(new, node)).options, new, keep_password=restore.keeps_password)
    if wanted.delete:
        await node.pve.update_vm(new.vmid, delete=wanted.delete)
    if wanted.options:
        await node.pve.update_vm(new.vmid, wanted.options)


async def grow_disk(restore: Restore, node: Node) -> None:
    """From the backup's size to the one that is paid for."""
    new = restore.new
    disk = disk_of((await _config(new, node)).options)
    if disk is None:
        raise GiveUp("the backup has no disk; the machine was not touched")
    await node.finish("grow", lambda: node.pve.resize_disk(new.vmid, disk, new.disk_gb))


async def _config(machine: Machine, node: Node) -> VmConfig:
    config = await machine.config(node.pve)
    if config is None:
        raise GiveUp("the hypervisor lost the restored machine")
    return config


async def hold_firewall(restore: Restore, tx: Tx) -> None:
    """To the end of the restore: until then nobody knows which machine's firewall will be the instance's."""
    await hold(tx, restore.instance.id, held=True)


async def let_go_of_firewall(restore: Restore, tx: Tx) -> None:
    await hold(tx, restore.instance.id, held=False)


async def let_changes_end(restore: Restore, tx: Tx) -> None:
    """Those that had begun before the firewall was held."""
    if await is_being_changed(tx, restore.instance.id):
        raise TryAgain("the firewall is being changed")


async def stop_old(restore: Restore, node: Node) -> None:
    await guest.stop(restore.old, node)


async def start_old(restore: Restore, node: Node) -> None:
    """If it ran when the restore was asked for. Its power state is not written to while an operation runs."""
    old = restore.old
    if old.power_status == "stopped" or await old.config(node.pve) is None:
        return
    if (await node.pve.vm_status(old.vmid)).power == "stopped":
        await bring_seed(old, node)
        await guest.start(old, node)


async def carry_firewall(restore: Restore, node: Node) -> None:
    """Where the old machine is gone, the new one begins as every machine does."""
    if await restore.old.config(node.pve) is None:
        await clear(lambda: node.pve, restore.new.vmid)
        await protect(restore.new, node)
    else:
        await carry(lambda: node.pve, restore.old.vmid, restore.new.vmid)


async def switch(restore: Restore, tx: Tx) -> None:
    """From here on the new machine is the instance."""
    await tx.execute(
        """update instances set replaced_vmid = vmid, vmid = restoring_vmid, restoring_vmid = null
           where id = %s and restoring_vmid is not null""",
        (restore.instance.id,),
    )


async def switch_back(restore: Restore, tx: Tx) -> None:
    await tx.execute(
        """update instances set restoring_vmid = vmid, vmid = replaced_vmid, replaced_vmid = null
           where id = %s and replaced_vmid is not null""",
        (restore.instance.id,),
    )


async def start_new(restore: Restore, node: Node) -> None:
    """Under the name that the instance has by now."""
    new = restore.new
    if (await _config(new, node)).name != hostname_of(new.name):
        await node.pve.update_vm(new.vmid, {"name": hostname_of(new.name)})
    await bring_seed(new, node)
    await guest.start(new, node)


async def stop_new(restore: Restore, node: Node) -> None:
    """It has the old machine's addresses: they never run both."""
    if restore.switched:
        await guest.stop(restore.new, node)


async def wait_for_guest(restore: Restore, node: Node) -> None:
    await guest.wait_for_guest(restore.new, node)


# Ends


async def restored(restore: Restore, tx: Tx, clock: Clock) -> Ended:
    """The instance shows the system that it runs now. Its old machine is of no use any more."""
    now, instance = clock.now(), restore.instance
    kept_name = restore.new_name is not None and not await _rename(tx, restore, now)
    await leave_behind(tx, known(restore.replaced_vmid), instance.id, now)
    await tx.execute(
        """update instances set replaced_vmid = null, firewall_held = false, template = %s, power_status = 'running',
                                updated_at = %s
           where id = %s""",
        (restore.source.template, now, instance.id),
    )
    await record_instance(tx, "instance.restored", instance.id, now, backup_volid=restore.source.volid)
    if kept_name:
        reason = taken(str(restore.new_name)).partition(";")[0]
        return Ended(f"VM restored successfully; it keeps its name {instance.name}: {reason}")
    return Ended("VM restored successfully")


async def _rename(tx: Tx, restore: Restore, now: datetime) -> bool:
    """Whether the instance has its new name: somebody may have taken that meanwhile."""
    instance = restore.instance
    await tx.execute(
        "select pg_advisory_xact_lock(hashtextextended('names of ' || %s, 0))", (str(instance.account_id),)
    )
    try:
        async with tx.transaction():
            await tx.execute("update instances set name = %s where id = %s", (restore.new_name, instance.id))
    except UniqueViolation:
        return False
    if restore.new_name != instance.name:
        await record_instance(tx, "instance.renamed", instance.id, now, old_name=instance.name)
    return True


async def left_as_it_was(restore: Restore, tx: Tx, clock: Clock) -> None:
    """What was made of the new machine goes, with its room."""
    await leave_behind(tx, known(restore.restoring_vmid), restore.instance.id, clock.now())
    await tx.execute(
        "update instances set restoring_vmid = null, updated_at = %s where id = %s",
        (clock.now(), restore.instance.id),
    )


RESTORE = Operation[Restore](
    name="restore_instance",
    load=load_restore,
    host_of=host_of,
    steps=(
        Step("Looking for room", find_room),
        Step("Bringing the backup back", bring_back),
        Step("Giving it the instance's identity", fit_out),
        Step("Growing the disk", grow_disk),
        Step("Holding the firewall", hold_firewall, undo=let_go_of_firewall),
        Step("Waiting for changes of the firewall", let_changes_end),
        Step("Stopping the machine", stop_old, undo=start_old),
        Step("Carrying the firewall over", carry_firewall),
        Step("Switching to the restored machine", switch, undo=switch_back),
        Step("Starting the restored machine", start_new, undo=stop_new),
        Step("Waiting for the guest to boot", wait_for_guest),
    ),
    done=restored,
    failed=left_as_it_was,
    complaint="Failed to restore VM",
    deadline_seconds=12 * 60 * 60,
    takes_long=True,
)
