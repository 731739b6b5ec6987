"""Restoring a VM from a backup, with the lines of qmrestore."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pvelocal.backups.drives import BACKED_UP_SLOTS
from pvelocal.backups.index import BackedUpDisk, Backup, Index
from pvelocal.backups.read import fill_file
from pvelocal.backups.restored import restored_config
from pvelocal.backups.storage import BackupName, BackupStorage
from pvelocal.drive_options import log_formatting, owned_image
from pvelocal.errors import failed
from pvelocal.firewall import read_firewall
from pvelocal.guest_spec import is_drive, parse_drive
from pvelocal.node import Node
from pvelocal.sizes import format_progress, format_size
from pvelocal.storage import Storage, Volume
from pvelocal.verification import Value, parse_option, render_option
from pvelocal.vms import Vm

_CLOUD_INIT_SIZE = 4 << 20


@dataclass(frozen=True)
class Restore:
    """What is asked for: a backup, where its disks go (else where they were), and what is not to be as it was."""

    source: BackupStorage
    name: BackupName
    storage: str
    overrides: Mapping[str, Value]
    unique: bool


async def restore(node: Node, vm: Vm, wish: Restore, log: Callable[[str], None]) -> None:
    """Give a stopped VM the disks and the configuration of a backup; disks it had in their places are lost.

    ApiError or HypervisorError when it cannot be done; no disk is half restored then.
    """
    with wish.source.held(wish.name) as index:
        targets = {disk.slot: _target(node, wish, disk) for disk in index.backup.disks}
        unused = await _clear(node, vm, index.backup)
        placed: dict[str, str] = {}
        made: list[Volume] = []
        try:
            for slot in sorted(index.backup.config):
                option = str(index.backup.config[slot])
                if is_drive(slot) and parse_drive(slot, option).cloud_init:
                    placed[slot] = _place_cloud_init(node, vm, wish, slot, option, log)
                elif slot in targets:
                    disk = next(disk for disk in index.backup.disks if disk.slot == slot)
                    made.append(targets[slot].new_image(vm.vmid, disk.format))
                    await _restore_disk(node, wish, index, disk, made[-1], log)
                    parts = parse_option(slot, option) | {"file": made[-1].volid, "size": format_size(disk.size)}
                    placed[slot] = render_option(slot, parts)
        except BaseException:
            for volume in made:
                await node.hypervisor.delete_disk(volume.path)
            raise
    vm.config = restored_config(index.backup.config, placed, wish.overrides, unique=wish.unique) | unused
    vm.pending.clear()
    vm.deleted.clear()
    vm.cloud_init.clear()
    node.vms.save(vm)
    if index.backup.firewall:
        node.firewalls.save(vm.vmid, read_firewall(index.backup.firewall))


def _target(node: Node, wish: Restore, disk: BackedUpDisk) -> Storage:
    storage = node.storages.get(wish.storage or disk.storage)
    if "images" not in storage.content:
        raise failed(f"storage '{storage.name}' does not support vm images")
    return storage


async def _clear(node: Node, vm: Vm, backup: Backup) -> dict[str, Value]:
    """Remove the disks that are to be restored; the VM's others become unused ones."""
    restored = {disk.slot for disk in backup.disks}
    kept: list[str] = []
    for name, text in vm.config.items():
        if name in BACKED_UP_SLOTS or name.startswith("unused"):
            drive = parse_drive("scsi0" if name.startswith("unused") else name, str(text))
            volume = owned_image(node, vm.vmid, drive)
            if volume is not None and name in restored:
                await node.hypervisor.delete_disk(volume.path)
            elif volume is not None:
                kept.append(volume.volid)
    return {f"unused{index}": volid for index, volid in enumerate(kept)}


def _place_cloud_init(node: Node, vm: Vm, wish: Restore, slot: str, option: str, log: Callable[[str], None]) -> str:
    drive = parse_drive(slot, option)
    storage = node.storages.get(wish.storage or drive.source.partition(":")[0])
    volume = Volume(storage, "images", f"{vm.vmid}/vm-{vm.vmid}-cloudinit.qcow2", owner=vm.vmid)
    log_formatting(log, volume, _CLOUD_INIT_SIZE)
    log(f"new volume ID is '{volume.volid}'")
    return render_option(slot, parse_option(slot, option) | {"file": volume.volid})


async def _restore_disk(
    node: Node, wish: Restore, index: Index, disk: BackedUpDisk, volume: Volume, log: Callable[[str], None]
) -> None:
    began = time.monotonic()
    log_formatting(log, volume, disk.size)
    log(f"new volume ID is '{volume.volid}'")
    log(f"restore proxmox backup image: {wish.name.snapshot} drive-{disk.slot}.img.fidx {volume.path}")
    log(f"connecting to repository '{wish.source.repository}'")
    log(f"starting to restore snapshot '{wish.name.snapshot}'")
    chunks = index.chunks[disk.slot]
    pause = wish.source.room.seconds / (len(chunks) + 1)
    told = 0

    async def progress(reached: int) -> None:
        nonlocal told
        await asyncio.sleep(pause)
        percent = reached * 100 // disk.size if disk.size else 100
        if percent > told:
            told = percent
            log(f"progress {percent}% (read {reached} bytes, duration {int(time.monotonic() - began)} sec)")

    raw = wish.source.scratch / f"{volume.name.replace('/', '-')}.{id(index)}"
    try:
        await fill_file(wish.source, disk, chunks, raw, progress)
        await node.hypervisor.import_disk(volume.path, raw)
    finally:
        raw.unlink(missing_ok=True)
    seconds = max(0.01, time.monotonic() - began)
    speed = format_progress(int(disk.size / seconds))
    log(f"restore image complete (bytes={disk.size}, duration={seconds:.2f}s, speed={speed}/s)")
