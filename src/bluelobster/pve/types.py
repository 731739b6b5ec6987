"""What the API answers with, parsed. Sizes are bytes, times are seconds, `cpu` is a share of all cores (0..1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from bluelobster.pve.fields import Fields, flag, integer, mapping, number, optional_text, text

PowerState = Literal["running", "stopped", "paused"]


@dataclass(frozen=True)
class NodeSummary:
    """A node in the cluster's list."""

    name: str
    online: bool

    @classmethod
    def parse(cls, fields: Fields) -> "NodeSummary":
        return cls(name=text(fields, "node"), online=fields.get("status") == "online")


@dataclass(frozen=True)
class NodeStatus:
    """A node's size and load. `cores` counts logical processors, as Proxmox's own `maxcpu` does."""

    cores: int
    cpu: float
    memory_bytes: int
    memory_used_bytes: int
    uptime: int

    @classmethod
    def parse(cls, fields: Fields) -> "NodeStatus":
        memory = mapping(fields.get("memory"))
        return cls(
            cores=integer(mapping(fields.get("cpuinfo")), "cpus"),
            cpu=number(fields, "cpu", 0.0),
            memory_bytes=integer(memory, "total"),
            memory_used_bytes=integer(memory, "used", 0),
            uptime=integer(fields, "uptime", 0),
        )


@dataclass(frozen=True)
class Storage:
    """A storage as a node sees it. An inactive one has no sizes."""

    name: str
    type: str
    content: frozenset[str]
    active: bool
    shared: bool
    total_bytes: int
    used_bytes: int
    available_bytes: int

    @classmethod
    def parse(cls, fields: Fields) -> "Storage":
        return cls(
            name=text(fields, "storage"),
            type=text(fields, "type"),
            content=frozenset(filter(None, text(fields, "content").split(","))),
            active=flag(fields, "active"),
            shared=flag(fields, "shared"),
            total_bytes=integer(fields, "total", 0),
            used_bytes=integer(fields, "used", 0),
            available_bytes=integer(fields, "avail", 0),
        )


@dataclass(frozen=True)
class Volume:
    """A file or disk in a storage. `created_at` is Unix time."""

    volid: str
    content: str
    format: str
    size_bytes: int
    created_at: int | None
    vmid: int | None

    @classmethod
    def parse(cls, fields: Fields) -> "Volume":
        return cls(
            volid=text(fields, "volid"),
            content=optional_text(fields, "content") or "",
            format=text(fields, "format"),
            size_bytes=integer(fields, "size", 0),
            created_at=None if fields.get("ctime") is None else integer(fields, "ctime"),
            vmid=None if fields.get("vmid") is None else integer(fields, "vmid"),
        )


@dataclass(frozen=True)
class PciMapping:
    """A resource mapping of PCI devices. `devices` counts those on the node that was asked about."""

    id: str
    description: str
    devices: int

    @classmethod
    def parse(cls, fields: Fields, node: str) -> "PciMapping":
        entries = fields.get("map")
        lines = [str(entry) for entry in entries] if isinstance(entries, list) else []
        return cls(
            id=text(fields, "id"),
            description=optional_text(fields, "description") or "",
            devices=sum(f"node={node}" in line.split(",") for line in lines),
        )


@dataclass(frozen=True)
class VmSummary:
    """A virtual machine in the cluster's list; a node that just started lists it without sizes, status `unknown`."""

    vmid: int
    node: str
    name: str | None
    status: str
    template: bool
    lock: str | None
    cpu: float
    maxcpu: int
    mem: int
    maxmem: int
    netin: int
    netout: int
    diskread: int
    diskwrite: int
    uptime: int
    tags: frozenset[str]

    @classmethod
    def parse(cls, fields: Fields) -> "VmSummary":
        return cls(
            vmid=integer(fields, "vmid"),
            node=text(fields, "node"),
            name=optional_text(fields, "name"),
            status=optional_text(fields, "status") or "unknown",
            template=flag(fields, "template"),
            lock=optional_text(fields, "lock"),
            cpu=number(fields, "cpu", 0.0),
            maxcpu=integer(fields, "maxcpu", 0),
            mem=integer(fields, "mem", 0),
            maxmem=integer(fields, "maxmem", 0),
            netin=integer(fields, "netin", 0),
            netout=integer(fields, "netout", 0),
            diskread=integer(fields, "diskread", 0),
            diskwrite=integer(fields, "diskwrite", 0),
            uptime=integer(fields, "uptime", 0),
            tags=frozenset(filter(None, (optional_text(fields, "tags") or "").split(";"))),
        )


@dataclass(frozen=True)
class VmStatus:
    """A virtual machine right now. The four counters are totals since it was started."""

    vmid: int
    name: str | None
    status: str
    qmpstatus: str | None
    lock: str | None
    cpu: float
    cpus: int
    mem: int
    maxmem: int
    netin: int
    netout: int
    diskread: int
    diskwrite: int
    uptime: int

    @classmethod
    def parse(cls, fields: Fields) -> "VmStatus":
        return cls(
            vmid=integer(fields, "vmid"),
            name=optional_text(fields, "name"),
            status=text(fields, "status"),
            qmpstatus=optional_text(fields, "qmpstatus"),
            lock=optional_text(fields, "lock"),
            cpu=number(fields, "cpu", 0.0),
            cpus=integer(fields, "cpus", 0),
            mem=integer(fields, "mem", 0),
            maxmem=integer(fields, "maxmem", 0),
            netin=integer(fields, "netin", 0),
            netout=integer(fields, "netout", 0),
            diskread=integer(fields, "diskread", 0),
            diskwrite=integer(fields, "diskwrite", 0),
            uptime=integer(fields, "uptime", 0),
        )

    @property
    def power(self) -> PowerState:
        """Whether the guest computes. A paused machine is `running` to Proxmox, and only QEMU's own state tells;
        `prelaunch` is the QEMU that backs up a stopped machine, whose guest has never run."""
        if self.status != "running" or self.qmpstatus == "prelaunch":
            return "stopped"
        return "paused" if self.qmpstatus in ("paused", "suspended") else "running"


@dataclass(frozen=True)
class Interface:
    """A network card as the guest's agent shows it: MAC address in upper case, IPv4 addresses without prefix."""

    mac: str | None
    addresses: tuple[str, ...]

    @classmethod
    def parse(cls, fields: Fields) -> "Interface":
        listed = fields.get("ip-addresses")
        addresses = [mapping(each) for each in listed] if isinstance(listed, list) else []
        mac = optional_text(fields, "hardware-address")
        return cls(
            mac=mac.upper() if mac else None,
            addresses=tuple(text(each, "ip-address") for each in addresses if each.get("ip-address-type") == "ipv4"),
        )


@dataclass(frozen=True)
class VmConfig:
    """A virtual machine's configuration; `options` is all of it, as the server sent it."""

    options: Mapping[str, object]

    @classmethod
    def parse(cls, fields: Fields) -> "VmConfig":
        return cls(options=MappingProxyType(dict(fields)))

    @property
    def uuid(self) -> str | None:
        """The SMBIOS UUID, in lower case."""
        found = re.search(r"(?:^|,)uuid=([0-9a-fA-F-]{36})(?:,|$)", optional_text(self.options, "smbios1") or "")
        return found[1].lower() if found else None

    @property
    def name(self) -> str | None:
        return optional_text(self.options, "name")

    @property
    def description(self) -> str | None:
        return optional_text(self.options, "description")

    @property
    def lock(self) -> str | None:
        return optional_text(self.options, "lock")

    @property
    def digest(self) -> str | None:
        """Changes with every change of the configuration."""
        return optional_text(self.options, "digest")
