"""Backing up one VM, in the steps and with the lines of vzdump."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pvelocal.backups.chunks import Hold
from pvelocal.backups.drives import DriveChoice, choose_drives, freezes
from pvelocal.backups.index import BackedUpDisk, Backup, ChunkMap, Index, bytes_of
from pvelocal.backups.lines import clock, end_lines, moment
from pvelocal.backups.notes import render_notes
from pvelocal.backups.progress import Progress
from pvelocal.backups.storage import BackupStorage, name_of
from pvelocal.backups.write import Tally, changed_positions, store_disk
from pvelocal.hypervisor import Disk, DiskSnapshot, SnapshotRequest
from pvelocal.node import Node
from pvelocal.sizes import format_progress
from pvelocal.threads import in_thread
from pvelocal.vms import Vm

Log = Callable[[str], None]
_STANDALONE = "standalone node"


@dataclass(frozen=True)
class Wish:
    """What is asked for: where to, with which notes (their template), and whether it may be removed later."""

    storage: BackupStorage
    notes: str = ""
    protected: bool = False


async def dump(node: Node, vm: Vm, wish: Wish, log: Log) -> None:
    """Make a backup of a VM, complete or not at all. ApiError or HypervisorError when it cannot be made."""
    began = time.monotonic()
    async with _locked(node, vm), _swept_behind(wish.storage):
        log(f"INFO: Starting Backup of VM {vm.vmid} (qemu)")
        log(f"INFO: Backup started at {moment()}")
        running = await node.state(vm) != "stopped"
        choices = list(choose_drives(vm.config))
        for line in _opening(vm, choices, running=running):
            log(line)
        backup = await _describe(node, vm, wish, [choice for choice in choices if choice.included])
        log(f"INFO: creating Proxmox Backup Server archive '{name_of(backup).snapshot}'")
        await _make(node, backup, wish.storage, log, running=running)
        if wish.notes:
            log("INFO: adding notes to backup")
    log(f"INFO: Finished Backup of VM {vm.vmid} ({clock(time.monotonic() - began)})")
    log(f"INFO: Backup finished at {moment()}")


@asynccontextmanager
async def _locked(node: Node, vm: Vm) -> AsyncIterator[None]:
    async with vm.locked():
        vm.refuse_lock()
        vm.config["lock"] = "backup"
        node.vms.save(vm)
    try:
        yield
    finally:
        node.vms.unlock(vm)


@asynccontextmanager
async def _swept_behind(storage: BackupStorage) -> AsyncIterator[None]:
    """Leave no chunk of a backup that failed."""
    try:
        yield
    except BaseException:
        await in_thread(storage.sweep)
        raise


def _opening(vm: Vm, choices: Sequence[DriveChoice], *, running: bool) -> list[str]:
    mode = [f"INFO: backup mode: {'snapshot' if running else 'stop'}", "INFO: ionice priority: 7"]
    status = f"INFO: status = {'running' if running else 'stopped'}"
    named = [f"INFO: VM Name: {vm.name}", *(choice.line() for choice in choices)]
    return [status, *named, *mode] if running else [status, *mode, *named]


async def _describe(node: Node, vm: Vm, wish: Wish, choices: Sequence[DriveChoice]) -> Backup:
    values = {"cluster": _STANDALONE, "guestname": vm.name, "node": node.name, "vmid": str(vm.vmid)}
    return Backup(
        vmid=vm.vmid,
        time=await in_thread(wish.storage.free_time, vm.vmid),
        mark=str(uuid.uuid4()),
        config={name: value for name, value in vm.config.items() if name != "lock"},
        firewall=node.firewalls.get(vm.vmid).document(),
        disks=tuple([await _disk(node, choice) for choice in choices]),
        notes=render_notes(wish.notes, values),
        protected=wish.protected,
    )


async def _disk(node: Node, choice: DriveChoice) -> BackedUpDisk:
    volume = node.storages.existing(choice.volid)
    size = await node.hypervisor.disk_size(volume.path)
    return BackedUpDisk(choice.drive.slot, size, volume.storage.name, volume.format)


async def _make(node: Node, backup: Backup, storage: BackupStorage, log: Log, *, running: bool) -> None:
    async with AsyncExitStack() as stack:
        hold = stack.enter_context(storage.hold())
        earlier = await in_thread(_latest, storage, backup.vmid, hold)
        request = SnapshotRequest(
            vmid=backup.vmid,
            disks=tuple(Disk(disk.slot, _path(node, backup, disk)) for disk in backup.disks),
            mark=backup.mark,
            earlier={} if earlier is None else {earlier.backup.mark: earlier.backup.disk_sizes},
            freeze=freezes(backup.config),
        )
        snapshots = await stack.enter_async_context(node.hypervisor.snapshot(request, log))
        log(f"INFO: started backup task '{uuid.uuid4()}'")
        if running:
            log("INFO: resuming VM again")
        bases = {} if earlier is None else earlier.chunks
        chunks = await _store(snapshots, bases, storage, hold, log, running=running)
        sizes = {snapshot.slot: snapshot.size for snapshot in snapshots}
        disks = tuple(replace(disk, size=sizes[disk.slot]) for disk in backup.disks)
        await in_thread(storage.commit, Index(replace(backup, disks=disks), chunks), hold)


def _latest(storage: BackupStorage, vmid: int, hold: Hold) -> Index | None:
    """The last backup of a VM, which a new one may be told by its changes since; its chunks are held."""
    latest = max(storage.backups(vmid), key=lambda backup: backup.time, default=None)
    return None if latest is None else storage.reserve(name_of(latest), hold)


def _path(node: Node, backup: Backup, disk: BackedUpDisk) -> Path:
    choice = next(choice for choice in choose_drives(backup.config) if choice.drive.slot == disk.slot)
    return node.storages.existing(choice.volid).path


async def _store(
    snapshots: Sequence[DiskSnapshot],
    bases: Mapping[str, ChunkMap],
    storage: BackupStorage,
    hold: Hold,
    log: Log,
    *,
    running: bool,
) -> dict[str, ChunkMap]:
    tally = Tally(total=sum(snapshot.size for snapshot in snapshots))
    for snapshot in snapshots:
        dirty = bytes_of(snapshot.size, changed_positions(snapshot))
        tally.target += dirty
        if running:
            log(f"INFO: {snapshot.slot}: dirty-bitmap status: {_bitmap_status(snapshot, dirty)}")
    if any(snapshot.since for snapshot in snapshots):
        amounts = f"{format_progress(tally.target)} dirty of {format_progress(tally.total)} total"
        log(f"INFO: using fast incremental mode (dirty-bitmap), {amounts}")
    progress = Progress(tally, log, storage.room.seconds)
    chunks = {}
    for snapshot in snapshots:
        base = bases.get(snapshot.slot, {}) if snapshot.since else {}
        chunks[snapshot.slot] = await store_disk(snapshot, base, hold, tally, progress.advance)
    for line in end_lines(tally, progress.seconds):
        log(line)
    return chunks


def _bitmap_status(snapshot: DiskSnapshot, dirty: int) -> str:
    if snapshot.since is None:
        return "created new"
    if dirty == 0:
        return "OK (drive clean)"
    return f"OK ({format_progress(dirty)} of {format_progress(snapshot.size)} dirty)"
