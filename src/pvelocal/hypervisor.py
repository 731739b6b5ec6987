"""What the node asks of whatever runs its guests: QEMU, or a simulation of it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from pvelocal.firewall import Firewall

PowerState = Literal["running", "paused", "stopped"]

CHUNK_SIZE = 4 << 20
"""Bytes of the pieces that disks are backed up in, and that changes of them are noted in."""


class HypervisorError(Exception):
    """A guest could not do what was asked; the text ends up as the Proxmox task's exit status."""


class AgentUnavailable(HypervisorError):
    """The guest runs but its agent does not answer."""


@dataclass(frozen=True)
class Disk:
    """A drive of a guest. `slot` is Proxmox's name of it (`scsi0`, `ide2`)."""

    slot: str
    path: Path
    media: Literal["disk", "cdrom"] = "disk"
    boot_index: int | None = None


@dataclass(frozen=True)
class Nic:
    """A network card. `address` is what the customer was given: `a.b.c.d/prefix`, or None without one. Its guest's
    firewall acts on it when `firewall` is set."""

    index: int
    mac: str
    bridge: str
    address: str | None = None
    gateway: str | None = None
    model: str = "virtio"
    firewall: bool = False
    tag: int | None = None


@dataclass(frozen=True)
class CloudInit:
    """The NoCloud documents, as Proxmox renders them or as an attached image has them; the network part follows from
    the NICs. `further` files are there in an attached image only."""

    user_data: str
    meta_data: str
    nameservers: tuple[str, ...] = ()
    search_domain: str | None = None
    further: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GuestSpec:
    """All that a guest is started from. `firmware_state` is the disk that UEFI keeps its variables on, if any."""

    vmid: int
    name: str
    uuid: str
    cores: int
    memory_mb: int
    disks: tuple[Disk, ...] = ()
    nics: tuple[Nic, ...] = ()
    firewall: Firewall | None = None
    cloud_init: CloudInit | None = None
    gpus: int = 0
    agent: bool = False
    bios: Literal["seabios", "ovmf"] = "seabios"
    firmware_state: Path | None = None
    tpm: bool = False
    os_type: str = "l26"


@dataclass(frozen=True)
class Counters:
    """Readings of a running guest; totals are bytes since it was started, `cpu` is 0..1 of all its cores."""

    cpu: float = 0.0
    memory_bytes: int = 0
    net_in: int = 0
    net_out: int = 0
    disk_read: int = 0
    disk_write: int = 0
    uptime_seconds: int = 0
    pid: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Extent:
    """Data of a disk: `length` bytes at `start` of the disk lie at `offset` of a file."""

    start: int
    length: int
    offset: int


@dataclass(frozen=True)
class DiskSnapshot:
    """A disk of `size` bytes as it was at one moment. What lies in no extent is all zeroes.

    `since` is the mark of the backup that it is compared with: outside of the `changed` ranges (start and length, of
    whole chunks) it is as it was then, and there are no extents. Without a mark it is told whole.
    """

    slot: str
    size: int
    path: Path
    extents: tuple[Extent, ...]
    since: str | None = None
    changed: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class SnapshotRequest:
    """What is to be caught of a guest. From that moment on its changes are noted under `mark`. `earlier` has the sizes
    of disks, by slot, in the backups that changes may be told since, by mark."""

    vmid: int
    disks: tuple[Disk, ...]
    mark: str
    earlier: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    freeze: bool = False


class Hypervisor(Protocol):
    """Runs guests by VMID. Every call may be repeated; state survives a restart of the node."""

    async def open(self) -> None:
        """Find the guests that an earlier node left running."""

    async def close(self, *, keep_guests: bool) -> None:
        """Let go of the guests, or end them when they are not to be kept."""

    # Disks

    async def create_disk(self, path: Path, size_bytes: int, image: Path | None) -> None:
        """Make a disk at `path`: blank, or with the content of `image`, at least as big as the image."""

    async def resize_disk(self, vmid: int, slot: str, path: Path, size_bytes: int) -> None:
        """Grow a disk, of a running guest too."""

    async def disk_size(self, path: Path) -> int:
        """Virtual size in bytes."""

    async def delete_disk(self, path: Path) -> None:
        """Remove a disk; nothing happens when it is gone already."""

    # Backups

    def snapshot(
        self, request: SnapshotRequest, log: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Sequence[DiskSnapshot]]:
        """The disks of a guest, running or not, as they all are at one moment, until the block ends.

        Leaving the block without an exception means that a backup was made of them: changes are then told since this
        one. The guest's file systems are frozen for that moment where this is asked for and its agent answers.
        """

    async def import_disk(self, path: Path, content: Path) -> None:
        """Make a disk at `path` with the content of a raw file, which is used up; it depends on no other file."""

    # Power

    async def start(self, spec: GuestSpec) -> None:
        """Start a guest that is stopped. Its cloud-init drive is made anew."""

    async def stop(self, vmid: int) -> None:
        """Pull the plug; a stopped guest stays stopped."""

    async def shutdown(self, vmid: int, timeout_seconds: float) -> None:
        """Press the power button and wait; HypervisorError `got timeout` when the guest does not follow."""

    async def reset(self, vmid: int) -> None:
        """Press the reset button."""

    # Changes of a running guest

    async def plug(self, spec: GuestSpec, index: int) -> None:
        """Put card `index` of `spec` into its running guest; nothing happens when it is there already."""

    async def unplug(self, spec: GuestSpec, index: int) -> None:
        """Take a card, which `spec` has no longer, out of a running guest; HypervisorError when the guest holds it."""

    async def write_cloud_init(self, spec: GuestSpec) -> None:
        """Make the cloud-init drive of a running guest anew, in its place."""

    async def pause(self, vmid: int) -> None:
        """Stop the guest's processors."""

    async def resume(self, vmid: int) -> None:
        """Let them go on."""

    # Firewall

    async def apply_firewall(self, vmid: int, firewall: Firewall | None) -> None:
        """Let a firewall act on a running guest from now on, or none; a stopped guest gets it with its start."""

    def firewall_limitations(self, firewall: Firewall) -> Sequence[str]:
        """What of a firewall cannot be enforced here, a sentence each."""

    # Looking

    async def state(self, vmid: int) -> PowerState:
        """Power state; an unknown guest is stopped."""

    async def counters(self, vmid: int) -> Counters:
        """Readings; all zero for a stopped guest."""

    async def agent(self, vmid: int, command: str) -> object:
        """The guest agent's answer to `guest-…`; AgentUnavailable when there is none."""

    async def open_display(self, vmid: int, password: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the guest's screen, which speaks VNC and asks for this password (8 characters count)
        for the next 30 s. HypervisorError for a stopped guest."""

    async def forget(self, vmid: int) -> None:
        """Remove everything kept about a stopped guest except its disks (sockets, logs, drives made at start)."""
