"""The disks of a guest as they were at one moment, in files of their own."""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import cast

from pvelocal.hypervisor import Disk, DiskSnapshot, Extent, SnapshotRequest
from pvelocal.qemu import disks
from pvelocal.qemu.bitmaps import Bitmaps
from pvelocal.qemu.command import disk_format, disk_node
from pvelocal.qemu.copy_jobs import CopyJob, CopyJobs
from pvelocal.qemu.guest_files import GuestFiles
from pvelocal.qemu.monitor import Monitor
from pvelocal.qemu.programs import require
from pvelocal.qemu.subprocesses import run
from pvelocal.sparse import data_ranges

# Reading a whole disk.
_COPY_SECONDS = 6 * 3600.0


@asynccontextmanager
async def stopped_snapshot(wanted: Iterable[Disk], files: GuestFiles) -> AsyncIterator[Sequence[DiskSnapshot]]:
    """The disks of a guest that does not run: copies of what they hold, templates below them included."""
    files.make()
    paths: list[Path] = []
    try:
        snapshots = []
        for disk in wanted:
            paths.append(files.snapshot(disk.slot))
            snapshots.append(await _copied(disk, paths[-1]))
        yield snapshots
    finally:
        for path in paths:
            path.unlink(missing_ok=True)


async def _copied(disk: Disk, path: Path) -> DiskSnapshot:
    (qemu_img,) = require("qemu-img")
    path.unlink(missing_ok=True)
    kind = disk_format(disk.path)
    await run(qemu_img, "convert", "-f", kind, "-O", "raw", disk.path, path, timeout_seconds=_COPY_SECONDS)
    extents = tuple(Extent(start, length, start) for start, length in data_ranges(path))
    return DiskSnapshot(disk.slot, path.stat().st_size, path, extents)


@asynccontextmanager
async def live_snapshot(
    monitor: Monitor, files: GuestFiles, request: SnapshotRequest, frozen: AbstractAsyncContextManager[None]
) -> AsyncIterator[Sequence[DiskSnapshot]]:
    """The disks of a running guest, copied away while it goes on.

    All of it begins in one transaction: the copies, and the noting of changes under the request's mark. `frozen` is
    entered for just that. What was noted under an earlier mark is kept until this one is of use.
    """
    jobs, bitmaps = CopyJobs(monitor, files), Bitmaps(monitor, request)
    await jobs.clear()
    nodes = await jobs.disk_nodes()
    live = [disk for disk in request.disks if disk_node(disk.slot) in nodes]
    earlier = await bitmaps.usable(live)
    rest = [disk for disk in request.disks if disk not in live]
    try:
        begun = [await jobs.prepare(disk, earlier.get(disk.slot)) for disk in live]
        async with frozen:
            await jobs.begin(begun, [bitmaps.addition(disk) for disk in live])
        await jobs.finish(begun)
        snapshots = [await _mapped(job) for job in begun]
        async with stopped_snapshot(rest, files) as others:
            yield [*snapshots, *others]
        await bitmaps.keep(live)
    except BaseException:
        await jobs.clear()
        await bitmaps.drop(live)
        raise
    finally:
        for disk in live:
            files.snapshot(disk.slot).unlink(missing_ok=True)


async def clear_leftovers(monitor: Monitor | None, files: GuestFiles) -> None:
    """Remove what a node left that died during a backup; `monitor` is that of a guest that runs."""
    leftovers = list(files.snapshots())
    if leftovers and monitor is not None:
        await CopyJobs(monitor, files).clear()
    for path in leftovers:
        path.unlink(missing_ok=True)


async def _mapped(job: CopyJob) -> DiskSnapshot:
    """What was copied: QEMU writes a copy uncompressed, so that its data lies in the file as it is."""
    (qemu_img,) = require("qemu-img")
    text = await run(qemu_img, "map", "--output=json", "-f", "qcow2", job.path, timeout_seconds=_COPY_SECONDS)
    entries = cast("list[dict[str, int]]", json.loads(text))
    extents = tuple(Extent(entry["start"], entry["length"], entry["offset"]) for entry in entries if entry["data"])
    changed = tuple((entry["start"], entry["length"]) for entry in entries if entry["present"])
    size = disks.size(job.path)
    if job.since is None:
        return DiskSnapshot(job.slot, size, job.path, extents)
    return DiskSnapshot(job.slot, size, job.path, extents, job.since, changed)
