"""VMs as the lists and `status/current` show them."""

from typing import Any

from pvelocal import guest_spec
from pvelocal.hypervisor import Counters, PowerState
from pvelocal.node import QEMU_VERSION, Node
from pvelocal.vms import Vm

_PRESSURE = {
    f"pressure{kind}{share}": 0 for kind in ("cpu", "io", "memory") for share in ("full", "some")
}  # the node does not measure it
_SUPPORT = {
    "backup-access-api": True,
    "backup-fleecing": True,
    "backup-max-workers": True,
    "pbs-dirty-bitmap": True,
    "pbs-dirty-bitmap-migration": True,
    "pbs-dirty-bitmap-savevm": True,
    "pbs-library-version": "stub",
    "pbs-masterkey": True,
    "query-bitmap-info": True,
}
_DISK_WORK = ("flush", "rd", "unmap", "wr", "zone_append")
_BLOCK: dict[str, Any] = {
    "account_failed": True,
    "account_invalid": True,
    "timed_stats": [],
    "wr_highest_offset": 0,
    **{f"{prefix}{work}_operations": 0 for prefix in ("", "failed_", "invalid_") for work in _DISK_WORK},
    **{f"{work}_total_time_ns": 0 for work in _DISK_WORK},
    **{f"{work}_{what}": 0 for work in _DISK_WORK[1:] for what in ("bytes", "merged")},
}


async def list_entry(node: Node, vm: Vm, state: PowerState, *, full: bool = False) -> dict[str, Any]:
    """A VM in `GET /nodes/{node}/qemu`; with `full` what only `status/current` tells as well."""
    config = vm.config
    counters = await node.hypervisor.counters(vm.vmid) if state != "stopped" else Counters()
    entry: dict[str, Any] = {
        "vmid": vm.vmid,
        "name": vm.name,
        "status": "stopped" if state == "stopped" else "running",
        "cpus": guest_spec.cores(config),
        "cpu": counters.cpu,
        "mem": counters.memory_bytes,
        "memhost": counters.memory_bytes,
        "maxmem": guest_spec.memory_mb(config) << 20,
        "disk": 0,
        "maxdisk": guest_spec.boot_disk_size(config),
        "netin": counters.net_in,
        "netout": counters.net_out,
        "uptime": counters.uptime_seconds,
    }
    if "serial0" in config:
        entry["serial"] = 1
    if vm.template:
        entry["template"] = 1
    entry |= {name: config[name] for name in ("tags", "lock") if name in config}
    if state != "stopped":
        entry |= _running(vm, counters)
    if full:
        entry["qmpstatus"] = state
        if state != "stopped":
            entry |= _details(vm, counters, entry["maxmem"])
    return entry


def _running(vm: Vm, counters: Counters) -> dict[str, Any]:
    cards = [index for index in range(32) if f"net{index}" in vm.config]
    nics = {f"tap{vm.vmid}i{index}": {"netin": 0, "netout": 0} for index in cards}
    if cards:
        nics[f"tap{vm.vmid}i{cards[0]}"] = {"netin": counters.net_in, "netout": counters.net_out}
    return {
        "pid": counters.pid or 0,
        "diskread": counters.disk_read,
        "diskwrite": counters.disk_write,
        "nics": nics,
        **_PRESSURE,
    }


def _details(vm: Vm, counters: Counters, memory: int) -> dict[str, Any]:
    q35 = str(vm.config.get("machine", "")).startswith("q35")
    balloon = {"actual": memory, "max_mem": memory}
    details: dict[str, Any] = {
        "balloon": memory,
        "ballooninfo": balloon,
        "blockstat": _block_statistics(vm, counters),
        "proxmox-support": _SUPPORT,
        "running-machine": f"pc-{'q35' if q35 else 'i440fx'}-{QEMU_VERSION.rpartition('.')[0]}+pve1",
        "running-qemu": QEMU_VERSION,
    }
    for name in ("freemem", "ballooninfo"):
        if name in counters.extra:
            details[name] = counters.extra[name]
    return details


def _block_statistics(vm: Vm, counters: Counters) -> dict[str, dict[str, Any]]:
    statistics: dict[str, dict[str, Any]] = {}
    for drive in guest_spec.drives(vm.config):
        if drive.volume is not None:
            statistics[drive.slot] = dict(_BLOCK)
            if drive.cdrom:
                statistics[drive.slot]["idle_time_ns"] = 0  # the firmware has looked into it
    first = next((slot for slot in guest_spec.boot_order(vm.config) if slot in statistics), None)
    if first is not None:
        statistics[first] |= {"rd_bytes": counters.disk_read, "wr_bytes": counters.disk_write}
        if counters.disk_read:
            statistics[first]["idle_time_ns"] = 0
    return statistics


async def resource(node: Node, vm: Vm) -> dict[str, Any]:
    """A VM in `GET /cluster/resources`."""
    state = await node.state(vm)
    counters = await node.hypervisor.counters(vm.vmid) if state != "stopped" else Counters()
    entry: dict[str, Any] = {
        "id": f"qemu/{vm.vmid}",
        "type": "qemu",
        "node": node.name,
        "vmid": vm.vmid,
        "name": vm.name,
        "status": "stopped" if state == "stopped" else "running",
        "template": int(vm.template),
        "maxcpu": guest_spec.cores(vm.config),
        "cpu": counters.cpu,
        "maxmem": guest_spec.memory_mb(vm.config) << 20,
        "mem": counters.memory_bytes,
        "memhost": counters.memory_bytes,
        "maxdisk": guest_spec.boot_disk_size(vm.config),
        "disk": 0,
        "diskread": counters.disk_read,
        "diskwrite": counters.disk_write,
        "netin": counters.net_in,
        "netout": counters.net_out,
        "uptime": counters.uptime_seconds,
    }
    return entry | {name: vm.config[name] for name in ("tags", "lock") if name in vm.config}
