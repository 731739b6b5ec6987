"""Making backups."""

from collections.abc import Mapping

from pvelocal.access import Token
from pvelocal.backups.dump import Wish, dump
from pvelocal.backups.lines import job_line, moment
from pvelocal.backups.notes import check_template
from pvelocal.backups.storage import BackupStorage
from pvelocal.errors import ApiError, bad_parameters, failed
from pvelocal.formats import split_list
from pvelocal.hypervisor import HypervisorError
from pvelocal.node import Node
from pvelocal.routing import Call, Route
from pvelocal.tasks import Task

_DEFAULT_STORAGE = "local"


def _allow(token: Token, parameters: Mapping[str, str]) -> None:
    token.require(f"/storage/{parameters.get('storage', _DEFAULT_STORAGE)}", "Datastore.AllocateSpace")
    for vmid in split_list(parameters.get("vmid", "")):
        token.require(f"/vms/{vmid}", "VM.Backup")


async def vzdump(call: Call) -> object:
    """Back up VMs, one after the other; everything that is wrong with one shows in the task."""
    node, parameters = call.node, call.parameters
    for name in ("notes-template", "protected"):
        if name in parameters and "storage" not in parameters:
            raise bad_parameters({"storage": f"missing property required by '{name}'"})
    check_template(call.text("notes-template"))
    vmids = split_list(call.text("vmid"))
    if not vmids:
        raise bad_parameters({"vmid": "property is missing"})

    async def work(task: Task) -> None:
        storage = _storage(node, call.text("storage", _DEFAULT_STORAGE))
        wish = Wish(storage, call.text("notes-template"), protected=call.flag("protected"))
        if node.backup_running.locked():
            task.log("INFO: trying to get global lock - waiting...")
        async with node.backup_running:
            task.log(job_line(" ".join(vmids), {name: parameters[name] for name in parameters if name != "vmid"}))
            failures = [vmid for vmid in vmids if not await _back_up(call, int(vmid), wish, task)]
        if failures:
            task.log("INFO: Backup job finished with errors")
            raise failed("job errors")
        task.log("INFO: Backup job finished successfully")

    return call.start("vzdump", vmids[0] if len(vmids) == 1 else "", work)


def _storage(node: Node, name: str) -> BackupStorage:
    storage = node.backups.get(name)
    if storage is not None and storage.room.online:
        return storage
    if any(other.name == name for other in node.storages):
        raise failed(f"could not get storage information for '{name}': can't use storage '{name}' for backups")
    why = f"storage '{name}' {'does not exist' if storage is None else 'is not online'}"
    raise failed(f"could not activate storage '{name}': {why} could not get storage information for '{name}': {why}")


async def _back_up(call: Call, vmid: int, wish: Wish, task: Task) -> bool:
    node = call.node
    try:
        if vmid not in node.vms:
            raise failed(f"unable to find VM '{vmid}'")
        vm = node.vms.get(vmid)
        if call.text("mode", "snapshot") != "snapshot" and await node.state(vm) != "stopped":
            raise failed(f"this node does not back up running guests in mode '{call.text('mode')}'")
        await dump(node, vm, wish, task.log)
    except (ApiError, HypervisorError) as error:
        task.log(f"ERROR: Backup of VM {vmid} failed - {str(error).rstrip()}")
        task.log(f"INFO: Failed at {moment()}")
        return False
    return True


ROUTES = (Route("POST", "/nodes/{node}/vzdump", vzdump, _allow),)
