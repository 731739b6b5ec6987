"""Restoring a VM from a backup."""

from pvelocal.api.backups import require_use
from pvelocal.api.power import boot
from pvelocal.backups.drives import BACKED_UP_SLOTS
from pvelocal.backups.restore import Restore, restore
from pvelocal.backups.storage import BackupName, BackupStorage
from pvelocal.errors import ApiError, bad_parameters, failed
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import Node
from pvelocal.options import asked_options, check_rights
from pvelocal.routing import Call
from pvelocal.tasks import Task
from pvelocal.threads import in_thread
from pvelocal.vms import Vm


async def restore_vm(call: Call) -> object:
    """Restore into a new VM or, with `force`, over one: its lock is taken at once, the rest is done in a task."""
    node, vmid = call.node, call.vmid
    options = asked_options(call.parameters)
    drives = [name for name in options if name in BACKED_UP_SLOTS]
    if drives:
        raise bad_parameters(dict.fromkeys(drives, "option conflicts with option 'archive'"))
    if call.flag("live-restore"):
        raise ApiError("live restores are not supported by this node\n", status=501)
    check_rights(node, call.token, vmid, options)
    source, name = await _find(call)
    why = f"unable to restore VM {vmid} -"
    vm = await _lock(call, why)
    wish = Restore(source, name, call.text("storage"), options, unique=call.flag("unique"))

    async def work(task: Task) -> None:
        try:
            async with vm.locked():
                await _check(node, vm, why)
                await restore(node, vm, wish, task.log)
        except (ApiError, HypervisorError):
            left = f"VM {vmid} state is NOT cleaned up."
            task.log(f"error before or during data restore, some or all disks were not completely restored. {left}")
            raise
        finally:
            # A new VM that could not be restored stays, with nothing in it.
            node.vms.unlock(vm)
        if call.flag("start"):
            await _start(node, vm, task)

    async def abandon(_task: Task) -> None:
        node.vms.unlock(vm)

    return call.start("qmrestore", str(vmid), work, abandon)


async def _find(call: Call) -> tuple[BackupStorage, BackupName]:
    node, archive = call.node, call.text("archive")
    source = node.backups.get(archive.partition(":")[0])
    if source is None:
        raise failed(f"volume '{archive}' does not exist")
    name = source.parse(archive)
    require_use(call.token, source.name, name.vmid)
    if await in_thread(source.find, name) is None:
        raise failed(f"volume '{archive}' does not exist")
    return source, name


async def _lock(call: Call, why: str) -> Vm:
    """The VM, locked; a new one where there is none."""
    node, vmid = call.node, call.vmid
    if vmid not in node.vms:
        vm = Vm(vmid, config={"lock": "create"})
        node.vms.add(vm)
        return vm
    if not call.flag("force"):
        raise failed(f"{why} VM {vmid} already exists on node '{node.name}'")
    vm = node.vms.get(vmid)
    async with vm.locked():
        try:
            vm.refuse_lock()
        except ApiError as error:
            raise failed(f"{why} {error.reason}") from None
        vm.config["lock"] = "create"
        node.vms.save(vm)
    return vm


async def _check(node: Node, vm: Vm, why: str) -> None:
    if vm.config.get("protection"):
        raise failed(f"{why} can't remove VM {vm.vmid} - protection mode enabled")
    if await node.state(vm) != "stopped":
        raise failed(f"{why} vm is running")


async def _start(node: Node, vm: Vm, task: Task) -> None:
    try:
        async with vm.locked():
            await boot(node, vm, task.log)
    except (ApiError, HypervisorError) as error:
        task.warn(f"unable to start VM {vm.vmid} after restore - {str(error).rstrip()}")
