"""The cluster, which has one node: `/cluster` and `/nodes`."""

import asyncio
from typing import Any

from pvelocal import views
from pvelocal.backups.storage import BackupStorage
from pvelocal.errors import bad_parameters, failed
from pvelocal.node import BRIDGE_ZONE, Node
from pvelocal.routing import Call, Route
from pvelocal.storage import Storage

_MAPPING = ("Mapping.Use", "Mapping.Modify", "Mapping.Audit")


def _figures(node: Node) -> dict[str, Any]:
    memory, disk = node.machine.memory(), node.machine.disk()
    return {
        "maxcpu": node.machine.cores,
        "cpu": node.machine.cpu(),
        "maxmem": memory.total,
        "mem": memory.used,
        "maxdisk": disk.total,
        "disk": disk.used,
        "uptime": node.machine.uptime(),
    }


def _node_entry(call: Call) -> dict[str, Any]:
    node = call.node
    entry = {"id": f"node/{node.name}", "type": "node", "node": node.name, "status": "online", "level": ""}
    return entry | (_figures(node) if call.token.may(f"/nodes/{node.name}", "Sys.Audit") else {})


async def list_nodes(call: Call) -> object:
    """The node, with its figures for a caller who may see them."""
    return [{**_node_entry(call), "ssl_fingerprint": call.node.fingerprint}]


async def _storage_entry(node: Node, storage: Storage | BackupStorage) -> dict[str, Any]:
    space = await node.space(storage)
    return {
        "id": f"storage/{node.name}/{storage.name}",
        "type": "storage",
        "storage": storage.name,
        "node": node.name,
        "status": "available",
        "plugintype": storage.type,
        "shared": int(storage.type == "pbs"),
        "content": ",".join(storage.content),
        "maxdisk": space.total,
        "disk": space.used,
    }


def _zone_entries(call: Call) -> list[dict[str, Any]]:
    if not call.token.may(f"/sdn/zones/{BRIDGE_ZONE}", "SDN.Audit", "SDN.Allocate"):
        return []
    entry_id = f"network/{call.node.name}/zone/{BRIDGE_ZONE}"
    return [
        {
            "id": entry_id, "type": "network", "network-type": "zone", "network": BRIDGE_ZONE,
            "node": call.node.name, "status": "ok",
        }
    ]  # fmt: skip


async def list_resources(call: Call) -> object:
    """Everything there is that the caller may see, or one kind of it."""
    kind = call.text("type")
    entries: list[dict[str, Any]] = []
    if kind in ("", "vm"):
        seen = [vm for vm in call.node.vms if call.token.may(f"/vms/{vm.vmid}", "VM.Audit")]
        # At once: a guest may take its time to answer.
        entries += await asyncio.gather(*(views.resource(call.node, vm) for vm in seen))
    if kind in ("", "node"):
        entries.append({**_node_entry(call), "cgroup-mode": 1})
    if kind in ("", "storage"):
        seen_storages = [
            storage
            for storage in call.node.all_storages
            if call.token.may(f"/storage/{storage.name}", "Datastore.Audit")
        ]
        entries += [await _storage_entry(call.node, storage) for storage in seen_storages]
    if kind in ("", "sdn"):
        entries += _zone_entries(call)
    return entries


async def show_status(call: Call) -> object:
    """The members of the cluster."""
    name = call.node.name
    entry = {"id": f"node/{name}", "type": "node", "name": name, "ip": "127.0.0.1", "level": "", "nodeid": 0}
    return [entry | {"online": 1, "local": 1}]


async def next_id(call: Call) -> object:
    """A free id, which nobody reserves; with `vmid` whether that one is free."""
    if "vmid" not in call.parameters:
        return str(call.node.vms.next_free())
    if call.vmid in call.node.vms:
        raise bad_parameters({"vmid": f"VM {call.vmid} already exists"})
    return str(call.vmid)


def _may_see(call: Call, name: str) -> bool:
    return call.token.may(f"/mapping/pci/{name}", *_MAPPING)


async def list_mappings(call: Call) -> object:
    """The resource mappings of PCI devices."""
    node = call.node
    mappings = [node.gpus.describe(name, node.name) for name in node.gpus.names() if _may_see(call, name)]
    return [mapping | {"checks": []} for mapping in mappings] if "check-node" in call.parameters else mappings


async def show_mapping(call: Call) -> object:
    """One resource mapping."""
    name = call.text("id")
    call.token.require(f"/mapping/pci/{name}", *_MAPPING)
    if name not in call.node.gpus.names():
        raise failed(f"PCI mapping '{name}' not found")
    return call.node.gpus.describe(name, call.node.name)


ROUTES = (
    Route("GET", "/nodes", list_nodes),
    Route("GET", "/cluster/resources", list_resources),
    Route("GET", "/cluster/status", show_status),
    Route("GET", "/cluster/nextid", next_id),
    Route("GET", "/cluster/mapping/pci", list_mappings),
    Route("GET", "/cluster/mapping/pci/{id}", show_mapping),
)
