"""Backups as volumes of their storage."""

from typing import Any

from pvelocal.access import Token
from pvelocal.backups.index import Backup
from pvelocal.backups.render import render_config
from pvelocal.backups.storage import BackupName, BackupStorage, name_of
from pvelocal.errors import failed
from pvelocal.routing import Call, Route
from pvelocal.tasks import Task
from pvelocal.threads import in_thread


def may_use(token: Token, storage: str, vmid: int) -> bool:
    """Whether a backup of this VM in this storage is any business of a caller's."""
    if token.may(f"/storage/{storage}", "Datastore.Allocate"):
        return True
    return token.may(f"/storage/{storage}", "Datastore.AllocateSpace") and token.may(f"/vms/{vmid}", "VM.Backup")


def require_use(token: Token, storage: str, vmid: int) -> None:
    """ApiError 403 when it is not."""
    if not may_use(token, storage, vmid):
        token.require(f"/storage/{storage}", "Datastore.AllocateSpace")
        token.require(f"/vms/{vmid}", "VM.Backup")


async def list_backups(call: Call, storage: BackupStorage) -> list[dict[str, Any]]:
    """The backups that the caller may use, or those of one VM."""
    content = call.text("content")
    if content and content not in storage.content:
        raise failed(f"storage '{storage.name}' does not support content type '{content}'")
    backups = await in_thread(storage.backups, call.vmid)
    return [_entry(storage, backup) for backup in backups if may_use(call.token, storage.name, backup.vmid)]


def _entry(storage: BackupStorage, backup: Backup) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "volid": storage.volid(name_of(backup)),
        "content": "backup",
        "subtype": "qemu",
        "format": "pbs-vm",
        "vmid": backup.vmid,
        "ctime": backup.time,
        "size": backup.size,
    }
    if backup.notes:
        entry["notes"] = backup.notes
    if backup.protected:
        entry["protected"] = 1
    return entry


def _name(call: Call, storage: BackupStorage) -> BackupName:
    name = storage.parse(call.text("volume"))
    require_use(call.token, storage.name, name.vmid)
    return name


async def show_backup(call: Call, storage: BackupStorage) -> dict[str, Any]:
    """One backup."""
    name = _name(call, storage)
    backup = await in_thread(storage.find, name)
    if backup is None:
        raise failed(f"volume_size_info on '{storage.volid(name)}' failed - no format")
    shown = {"path": f"{storage.repository}:{name.snapshot}", "size": backup.size, "used": backup.size}
    return shown | {"format": "pbs-vm", "notes": backup.notes, "protected": int(backup.protected)}


async def delete_backup(call: Call, storage: BackupStorage) -> str:
    """Remove a backup, with what of it no other one needs."""
    name = _name(call, storage)

    async def work(task: Task) -> None:
        if not await in_thread(storage.remove, name):
            task.log(f"disk image '{storage.repository}:{name.snapshot}' does not exist")
        task.log(f"Removed volume '{storage.volid(name)}'")

    return call.start("imgdel", f"{name.vmid}@{storage.name}", work)


async def change_attributes(call: Call) -> None:
    """Set the notes of a backup, or whether it may be removed."""
    storage = call.node.backups.get(call.text("storage"))
    if storage is None:
        volume = call.node.storages.get(call.text("storage")).name
        raise failed(f"storage '{volume}' does not keep attributes")
    protected = call.flag("protected") if "protected" in call.parameters else None
    notes = call.text("notes") if "notes" in call.parameters else None
    await in_thread(storage.change, _name(call, storage), notes, protected)


async def extract_config(call: Call) -> object:
    """The configuration of the VM that is in a backup."""
    volid = call.text("volume")
    storage = call.node.backups.get(volid.partition(":")[0])
    if storage is None:
        raise failed(f"volume '{volid}' does not exist")
    name = storage.parse(volid)
    require_use(call.token, storage.name, name.vmid)
    backup = await in_thread(storage.find, name)
    if backup is None:
        raise failed(f"volume '{volid}' does not exist")
    return render_config(backup)


ROUTES = (
    Route("PUT", "/nodes/{node}/storage/{storage}/content/{volume}", change_attributes),
    Route("GET", "/nodes/{node}/vzdump/extractconfig", extract_config),
)
