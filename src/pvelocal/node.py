"""The node: everything that its calls work on."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pvelocal.access import Credentials, Token
from pvelocal.backups.room import Space
from pvelocal.backups.storage import BackupStorage
from pvelocal.consoles import Consoles
from pvelocal.faults import Faults, StorageFault
from pvelocal.firewall import Firewall, Firewalls
from pvelocal.gpus import GpuMapping, Gpus
from pvelocal.hypervisor import Hypervisor, PowerState
from pvelocal.machine import Capacity, Machine
from pvelocal.storage import Storage, Storages
from pvelocal.tasks import Tasks
from pvelocal.threads import in_thread
from pvelocal.vms import Vm, Vms

VERSION = "9.2.11"
RELEASE = "9.2"
REPOSITORY = "14a22df3"
QEMU_VERSION = "10.0.2"
"""The versions that the node claims: those of the server that its answers were compared with."""

BRIDGE_ZONE = "localnetwork"
_HALF_MADE = {"lock": "create"}


@dataclass(frozen=True)
class NodeSettings:
    """How a node is made. Without `storages` there is one, `local`, in the data directory itself. `firewall` is the
    datacenter's switch: without it no rule of any VM acts. `backup_storage` is what the storage for backups is called;
    there is none without a name."""

    data: Path
    name: str = "px1"
    storages: tuple[Storage, ...] = ()
    gpus: Sequence[GpuMapping] = ()
    capacity: Capacity = field(default_factory=Capacity)
    failed_login_delay: float = 0.0
    durable: bool = False
    firewall: bool = True
    agent_timeout: float = 3.0
    backup_storage: str | None = "backup"


class Node:
    """A single-machine Proxmox VE. `open` before use and `close` after; only one at a time on a data directory."""

    def __init__(self, settings: NodeSettings, hypervisor: Hypervisor, tokens: Sequence[Token]) -> None:
        data = settings.data
        self.settings = settings
        self.name = settings.name
        self.hypervisor = hypervisor
        self.faults = Faults()
        self.credentials = Credentials(tokens)
        self.storages = Storages(settings.storages or (Storage("local", data),))
        self.backups = {storage.name: storage for storage in self._backup_storages()}
        self.backup_running = asyncio.Lock()
        self.machine = Machine(settings.capacity, data)
        self.gpus = Gpus(settings.gpus)
        self.fingerprint = ""
        self.certificate = ""
        self.consoles = Consoles()
        self.starting: set[int] = set()
        (data / "vms").mkdir(mode=0o700, exist_ok=True)
        self.vms = Vms(self.name, data / "vms", durable=settings.durable)
        (data / "firewall").mkdir(mode=0o700, exist_ok=True)
        self.firewalls = Firewalls(data / "firewall", durable=settings.durable)
        self.tasks = Tasks(self.name, data / "tasks.jsonl")

    def _backup_storages(self) -> Iterator[BackupStorage]:
        settings = self.settings
        if settings.backup_storage is not None:
            fault = self.faults.storages.setdefault(settings.backup_storage, StorageFault())
            yield BackupStorage(settings.backup_storage, settings.data / "backups", fault, durable=settings.durable)

    async def open(self) -> None:
        """Find the guests again, and clear what a node that died left half-done."""
        await self.hypervisor.open()
        for storage in self.backups.values():
            await in_thread(storage.open)
        for vm in self.vms:
            if vm.config == _HALF_MADE:
                await self.destroy(vm)
            else:
                self.vms.unlock(vm)
            if await self.state(vm) == "stopped":
                continue
            if any(name.startswith("hostpci") for name in vm.config):
                self.gpus.restore(vm.vmid, vm.config)
            await self.apply_firewall(vm.vmid)

    async def close(self, *, keep_guests: bool) -> None:
        """Interrupt the tasks and let go of the guests, or end them."""
        await self.tasks.close()
        await self.hypervisor.close(keep_guests=keep_guests)

    @property
    def all_storages(self) -> list[Storage | BackupStorage]:
        """Those for disks and files, then those for backups."""
        return [*self.storages, *self.backups.values()]

    async def state(self, vm: Vm) -> PowerState:
        """Power state of a VM."""
        return await self.hypervisor.state(vm.vmid)

    def acting_firewall(self, vmid: int) -> Firewall | None:
        """A VM's firewall, if it is enabled for the VM and for the datacenter."""
        firewall = self.firewalls.get(vmid)
        return firewall if self.settings.firewall and firewall.enabled else None

    async def apply_firewall(self, vmid: int) -> None:
        """Let a changed firewall act."""
        await self.hypervisor.apply_firewall(vmid, self.acting_firewall(vmid))

    async def gpu_users(self) -> set[int]:
        """The VMs that hold GPUs and run, or are about to."""
        holders = self.gpus.holders()
        states = await asyncio.gather(*(self.hypervisor.state(vmid) for vmid in holders))
        running = {vmid for vmid, state in zip(holders, states, strict=True) if state != "stopped"}
        return running | self.starting

    async def space(self, storage: Storage | BackupStorage) -> Space:
        """The room in a storage; none in one that is not there."""
        if isinstance(storage, Storage):
            disk = self.machine.disk()
            return Space(disk.total, disk.used, disk.free)
        return await in_thread(storage.room.space) if storage.room.online else Space(0, 0, 0)

    async def destroy(self, vm: Vm) -> None:
        """Remove a stopped VM with all its disks. The configuration goes last: until then the call can be repeated."""
        await self.hypervisor.forget(vm.vmid)
        for storage in self.storages:
            for volume in list(storage.images(vm.vmid)):
                await self.hypervisor.delete_disk(volume.path)
            directory = storage.path / "images" / str(vm.vmid)
            if directory.exists() and not any(directory.iterdir()):
                directory.rmdir()
        self.firewalls.remove(vm.vmid)
        self.vms.remove(vm)
