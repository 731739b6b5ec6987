"""Storages and the volumes in them."""

import hashlib
from dataclasses import asdict
from typing import Any

from pvelocal.api.backups import delete_backup, list_backups, show_backup
from pvelocal.api.upload import upload
from pvelocal.backups.storage import BackupStorage
from pvelocal.errors import bad_parameters, failed
from pvelocal.node import Node
from pvelocal.routing import Call, Route, needs
from pvelocal.storage import Storage, Volume
from pvelocal.tasks import Task

_READ = needs("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")


AnyStorage = Storage | BackupStorage


def _all(call: Call) -> list[AnyStorage]:
    """The storages that the caller may see."""
    privileges = ("Datastore.Audit", "Datastore.AllocateSpace")
    return [storage for storage in call.node.all_storages if call.token.may(f"/storage/{storage.name}", *privileges)]


def _get(call: Call) -> AnyStorage:
    name = call.text("storage")
    return call.node.backups.get(name) or call.node.storages.get(name)


async def _status(node: Node, storage: AnyStorage) -> dict[str, Any]:
    space = await node.space(storage)
    return {
        "type": storage.type,
        "content": ",".join(storage.content),
        "shared": int(storage.type == "pbs"),
        "active": int(isinstance(storage, Storage) or storage.room.online),
        "enabled": 1,
        **asdict(space),
    }


async def list_configured(call: Call) -> object:
    """The storages of the cluster."""
    everything = [_definition(storage) for storage in call.node.all_storages]
    digest = hashlib.sha1(repr(everything).encode(), usedforsecurity=False).hexdigest()
    return [{**_definition(storage), "digest": digest} for storage in _all(call)]


def _definition(storage: AnyStorage) -> dict[str, Any]:
    definition = {"storage": storage.name, "type": storage.type, "content": ",".join(storage.content)}
    if isinstance(storage, BackupStorage):
        return definition | {"server": "localhost", "datastore": storage.name, "username": "root@pam"}
    if storage.prune_backups is not None:
        definition["prune-backups"] = storage.prune_backups
    return definition | {"path": str(storage.path)}


async def list_storages(call: Call) -> object:
    """The storages with their space."""
    entries = []
    for storage in _all(call):
        if call.text("storage", storage.name) != storage.name:
            continue
        if "content" in call.parameters and call.text("content") not in storage.content:
            continue
        status = await _status(call.node, storage)
        entries.append({"storage": storage.name, **status, "used_fraction": status["used"] / max(1, status["total"])})
    return entries


async def show_status(call: Call) -> object:
    """The space of one storage."""
    return await _status(call.node, _get(call))


async def list_volumes(call: Call) -> object:
    """The volumes of a storage, all or of one content or one VM."""
    storage, content, owner = _get(call), call.text("content"), call.vmid
    if isinstance(storage, BackupStorage):
        return await list_backups(call, storage)
    if content and content not in storage.content:
        raise failed(f"storage '{storage.name}' does not support content type '{content}'")
    return [
        await _entry(call.node, volume)
        for volume in storage.volumes()
        if content in ("", volume.content) and owner in (0, volume.owner)
    ]


async def _entry(node: Node, volume: Volume) -> dict[str, Any]:
    stat = volume.path.stat()
    entry: dict[str, Any] = {
        "volid": volume.volid,
        "content": volume.content,
        "format": volume.format,
        "size": stat.st_size,
        "ctime": int(stat.st_ctime),
    }
    if volume.content == "images":
        entry |= {
            "size": await node.hypervisor.disk_size(volume.path),
            "used": stat.st_blocks * 512,
            "vmid": volume.owner,
        }
    return entry


def _find(call: Call, storage: Storage) -> Volume:
    name = call.text("volume")
    volume = call.node.storages.volume(name) if ":" in name else storage.volume(name)
    if volume.storage is not storage:
        raise bad_parameters({"storage": f"storage id missmatch ({storage.name} != {volume.storage.name})"})
    return volume


async def show_volume(call: Call) -> object:
    """One volume."""
    storage = _get(call)
    if isinstance(storage, BackupStorage):
        return await show_backup(call, storage)
    volume = _find(call, storage)
    if not volume.path.exists():
        raise failed(f"volume '{volume.volid}' does not exist")
    size = volume.path.stat().st_size
    virtual = await call.node.hypervisor.disk_size(volume.path) if volume.content == "images" else size
    return {"path": str(volume.path), "size": virtual, "used": size, "format": volume.format}


async def delete_volume(call: Call) -> object:
    """Remove a volume that no VM's drive is linked to."""
    node, storage = call.node, _get(call)
    if isinstance(storage, BackupStorage):
        return await delete_backup(call, storage)
    call.token.require(f"/storage/{storage.name}", "Datastore.Allocate")
    volume = _find(call, storage)

    async def work(task: Task) -> None:
        if volume.content == "images":
            await node.hypervisor.delete_disk(volume.path)
        else:
            try:
                volume.path.unlink()
            except FileNotFoundError:
                raise failed(f"disk image '{volume.path}' does not exist") from None
        task.log(f"Removed volume '{volume.volid}'")

    subject = volume.storage.name if volume.owner is None else f"{volume.owner}@{volume.storage.name}"
    return call.start("imgdel", subject, work)


_STORAGE = "/nodes/{node}/storage/{storage}"
ROUTES = (
    Route("GET", "/storage", list_configured),
    Route("GET", "/nodes/{node}/storage", list_storages),
    Route("GET", f"{_STORAGE}/status", show_status, _READ),
    Route("GET", f"{_STORAGE}/content", list_volumes, _READ),
    Route("GET", f"{_STORAGE}/content/{{volume}}", show_volume, _READ),
    Route("DELETE", f"{_STORAGE}/content/{{volume}}", delete_volume),
    Route(
        "POST", f"{_STORAGE}/upload", permission=needs("/storage/{storage}", "Datastore.AllocateTemplate"),
        stream=upload,
    ),
)  # fmt: skip
