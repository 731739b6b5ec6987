"""The virtual machines of the node: their configurations, one file each, and the lock that orders what changes them."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pvelocal.errors import failed, missing_config, missing_file
from pvelocal.files import DamagedFile, read_json, remove_torn, write_atomically
from pvelocal.verification import Value

_LOCK_TIMEOUT = 10.0


@dataclass(eq=False)
class Vm:
    """One VM. `pending` and `deleted` are changes that wait for its next start.

    `cloud_init` has the values of cloud-init options that the drive of the running guest still shows, None for an
    option that it does not have.
    """

    vmid: int
    config: dict[str, Value] = field(default_factory=dict)
    pending: dict[str, Value] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    cloud_init: dict[str, Value | None] = field(default_factory=dict)
    digest: str = ""
    mutex: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def name(self) -> str:
        """Its name, as lists show it."""
        return str(self.config.get("name", f"VM {self.vmid}"))

    @property
    def host_name(self) -> str:
        """Its name, as the guest is told."""
        return str(self.config.get("name", f"VM{self.vmid}"))

    @property
    def template(self) -> bool:
        """Whether it is a template, which never runs."""
        return bool(self.config.get("template", 0))

    def refuse_lock(self) -> None:
        """ApiError when something else holds the configuration (`lock`)."""
        if "lock" in self.config:
            raise failed(f"VM is locked ({self.config['lock']})")

    def apply_pending(self) -> None:
        """Make the waiting changes the configuration."""
        for name in self.deleted:
            self.config.pop(name, None)
        self.config |= self.pending
        self.pending.clear()
        self.deleted.clear()

    def wanted(self) -> dict[str, Value]:
        """The configuration with the waiting changes in it."""
        kept = {name: value for name, value in self.config.items() if name not in self.deleted}
        return kept | self.pending

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """Hold the VM against other operations, as the real node's lock file does."""
        try:
            async with asyncio.timeout(_LOCK_TIMEOUT):
                await self.mutex.acquire()
        except TimeoutError:
            path = f"/var/lock/qemu-server/lock-{self.vmid}.conf"
            raise failed(f"can't lock file '{path}' - got timeout") from None
        try:
            yield
        finally:
            self.mutex.release()

    def document(self) -> str:
        """What its file holds."""
        parts = {
            "config": self.config, "pending": self.pending, "deleted": sorted(self.deleted),
            "cloud_init": self.cloud_init,
        }  # fmt: skip
        return json.dumps(parts, sort_keys=True)


class Vms:
    """All VMs by id. `add`, `save` and `remove` are what a restart finds."""

    def __init__(self, node: str, directory: Path, *, durable: bool) -> None:
        self._node = node
        self._directory = directory
        self._durable = durable
        self._vms: dict[int, Vm] = {}
        remove_torn(directory)
        for path in sorted(directory.glob("[0-9]*.json")):
            self._load(path)

    def _load(self, path: Path) -> None:
        try:
            parts = cast("dict[str, dict[str, Value]]", read_json(path))
        except DamagedFile as error:
            raise DamagedFile(
                f"{error}. Put it back from a backup, or move it away: the node then starts without machine {path.stem}"
            ) from error
        vm = Vm(
            vmid=int(path.stem),
            config=parts["config"],
            pending=parts["pending"],
            deleted=set(parts["deleted"]),
            cloud_init=dict(parts["cloud_init"]),
        )
        vm.digest = _digest(vm.document())
        self._vms[vm.vmid] = vm

    def __iter__(self) -> Iterator[Vm]:
        return iter(list(self._vms.values()))

    def __contains__(self, vmid: int) -> bool:
        return vmid in self._vms

    def get(self, vmid: int) -> Vm:
        """A VM by id; ApiError about its configuration file when there is none."""
        vm = self._vms.get(vmid)
        if vm is None:
            raise missing_config(self._node, vmid)
        return vm

    def find(self, vmid: int) -> Vm:
        """The same, with the other sentence that Proxmox VE has for it."""
        vm = self._vms.get(vmid)
        if vm is None:
            raise missing_file(self._node, vmid)
        return vm

    def add(self, vm: Vm, *, replace: bool = False) -> None:
        """Take a new VM in; its id must be free, unless it may replace another that is not locked."""
        if vm.vmid in self._vms and replace:
            self._vms[vm.vmid].refuse_lock()
        elif vm.vmid in self._vms:
            raise failed(f"unable to create VM {vm.vmid} - VM {vm.vmid} already exists on node '{self._node}'")
        self._vms[vm.vmid] = vm
        self.save(vm)

    def save(self, vm: Vm) -> None:
        """Write a VM that was changed."""
        text = vm.document()
        vm.digest = _digest(text)
        write_atomically(self._directory / f"{vm.vmid}.json", text, durable=self._durable)

    def unlock(self, vm: Vm) -> None:
        """Let go of a configuration that is locked; one of a VM that is gone stays gone."""
        if vm.config.pop("lock", None) is not None and vm.vmid in self._vms:
            self.save(vm)

    def remove(self, vm: Vm) -> None:
        """Forget a VM."""
        self._vms.pop(vm.vmid, None)
        (self._directory / f"{vm.vmid}.json").unlink(missing_ok=True)

    def next_free(self) -> int:
        """The lowest id that is free."""
        vmid = 100
        while vmid in self._vms:
            vmid += 1
        return vmid


def _digest(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
