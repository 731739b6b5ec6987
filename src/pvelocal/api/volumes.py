"""Storages and the volumes in them."""

import hashlib
from typing import Any

from pvelocal.api.upload import upload
from pvelocal.errors import bad_parameters, failed
from pvelocal.node import Node
from pvelocal.routing import Call, Route, needs
from pvelocal.storage import Storage, Volume
from pvelocal.tasks import Task

_READ = needs("/storage/{storage}", "Datastore.Audit", "Datastore.AllocateSpace")


def _status(node: Node, storage: Storage) -> dict[str, Any]:
    disk = node.machine.disk()
    return {
        "type": "dir",
        "content": ",".join(storage.content),
        "shared": 0,
        "active": 1,
        "enabled": 1,
        "total": disk.total,
        "used": disk.used,
        "avail": disk.free,
    }


async def list_configured(call: Call) -> object:
    """The storages of the cluster."""
    seen = [
        storage
        for storage in call.node.storages
        if call.token.may(f"/storage/{storage.name}", "Datastore.Audit", "Datastore.AllocateSpace")
    ]
    digest = hashlib.sha1(repr(list(call.node.storages)).encode(), usedforsecurity=False).hexdigest()
    return [{**_definition(storage), "digest": digest} for storage in seen]


def _definition(storage: Storage) -> dict[str, Any]:
    definition = {
        "storage": storage.name,
        "type": "dir",
        "path": str(storage.path),
        "content": ",".join(storage.content),
    }
    if storage.prune_backups is not None:
        definition["prune-backups"] = storage.prune_backups
    return definition


async def list_storages(call: Call) -> object:
    """The storages with their space."""
    entries = []
    for storage in call.node.storages:
        if not call.token.may(f"/storage/{storage.name}", "Datastore.Audit", "Datastore.AllocateSpace"):
            continue
        if call.text("storage", storage.name) != storage.name or call.text("content", "images") not in storage.content:
            continue
        status = _status(call.node, storage)
        entries.append({"storage": storage.name, **status, "used_fraction": status["used"] / max(1, status["total"])})
    return entries


async def show_status(call: Call) -> object:
    """The space of one storage."""
    return _status(call.node, call.node.storages.get(call.text("storage")))


async def list_volumes(call: Call) -> object:
    """The volumes of a storage, all or of one content or one VM."""
    storage, content, owner = call.node.storages.get(call.text("storage")), call.text("content"), call.vmid
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


def _find(call: Call) -> Volume:
    storage, name = call.node.storages.get(call.text("storage")), call.text("volume")
    volume = call.node.storages.volume(name) if ":" in name else storage.volume(name)
    if volume.storage is not storage:
        raise bad_parameters({"storage": f"storage id missmatch ({storage.name} != {volume.storage.name})"})
    return volume


async def show_volume(call: Call) -> object:
    """One volume."""
    volume = _find(call)
    if not volume.path.exists():
        raise failed(f"volume '{volume.volid}' does not exist")
    size = volume.path.stat().st_size
    virtual = await call.node.hypervisor.disk_size(volume.path) if volume.content == "images" else size
    return {"path": str(volume.path), "size": virtual, "used": size, "format": volume.format}


async def delete_volume(call: Call) -> object:
    """Remove a volume that no VM's drive is linked to."""
    node, volume = call.node, _find(call)

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
    Route(
        "DELETE", f"{_STORAGE}/content/{{volume}}", delete_volume, needs("/storage/{storage}", "Datastore.Allocate")
    ),
    Route(
        "POST", f"{_STORAGE}/upload", permission=needs("/storage/{storage}", "Datastore.AllocateTemplate"),
        stream=upload,
    ),
)  # fmt: skip
