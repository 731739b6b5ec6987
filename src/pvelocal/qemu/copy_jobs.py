"""Copies of a running guest's disks as they were at one moment, made by QEMU while the guest goes on."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pvelocal.hypervisor import Disk, HypervisorError
from pvelocal.qemu import disks
from pvelocal.qemu.bitmaps import bitmap_name, block_nodes
from pvelocal.qemu.command import disk_node
from pvelocal.qemu.guest_files import GuestFiles
from pvelocal.qemu.monitor import Monitor

_PREFIX = "backup-"
_FIRST_POLL_SECONDS = 0.02
_LAST_POLL_SECONDS = 0.5
_CANCEL_SECONDS = 30.0


@dataclass(frozen=True)
class CopyJob:
    """The copy of one disk: of all of it, or of what changed since the backup of a mark."""

    slot: str
    path: Path
    since: str | None

    @property
    def name(self) -> str:
        """The job's name in QEMU, and that of the block node that it writes to."""
        return f"{_PREFIX}{self.slot}"


class CopyJobs:
    """Those of one guest."""

    def __init__(self, monitor: Monitor, files: GuestFiles) -> None:
        self._monitor = monitor
        self._files = files

    async def disk_nodes(self) -> set[str]:
        """The names of the block nodes that the guest has."""
        return {str(node["node-name"]) for node in await block_nodes(self._monitor)}

    async def prepare(self, disk: Disk, since: str | None) -> CopyJob:
        """Make the file that a disk is copied to, and let QEMU open it."""
        job = CopyJob(disk.slot, self._files.snapshot(disk.slot), since)
        nodes = await block_nodes(self._monitor)
        size = next(node["image"]["virtual-size"] for node in nodes if node["node-name"] == disk_node(disk.slot))
        await disks.create_scratch(job.path, int(size))
        file = {"driver": "file", "filename": str(job.path)}
        await self._monitor.execute("blockdev-add", driver="qcow2", node_name=job.name, file=file)
        return job

    async def begin(self, jobs: Sequence[CopyJob], others: Sequence[dict[str, object]]) -> None:
        """Begin all of them at the same moment, with other actions; all or nothing."""
        if jobs:
            await self._monitor.execute("transaction", actions=[*others, *(_action(job) for job in jobs)])

    async def finish(self, jobs: Sequence[CopyJob]) -> None:
        """Wait until they are done and close their files; HypervisorError when one failed."""
        names = {job.name for job in jobs}
        for entry in await self._ended(names):
            await self._monitor.execute("job-dismiss", id=entry["id"])
            if "error" in entry:
                raise HypervisorError(f"copying a disk failed: {entry['error']}")
        for job in jobs:
            await self._monitor.execute("blockdev-del", node_name=job.name)

    async def clear(self) -> None:
        """Stop and remove whatever is there, of this backup or of one that a dead node began."""
        with contextlib.suppress(HypervisorError, TimeoutError):
            async with asyncio.timeout(_CANCEL_SECONDS):
                await self._cancel()
        with contextlib.suppress(HypervisorError):
            for name in await self.disk_nodes():
                if name.startswith(_PREFIX):
                    await self._monitor.execute("blockdev-del", node_name=name)

    async def _cancel(self) -> None:
        names = {str(entry["id"]) for entry in await self._query() if str(entry["id"]).startswith(_PREFIX)}
        for name in names:
            with contextlib.suppress(HypervisorError):  # it may just have ended
                await self._monitor.execute("job-cancel", id=name)
        for entry in await self._ended(names):
            await self._monitor.execute("job-dismiss", id=entry["id"])

    async def _ended(self, names: set[str]) -> list[dict[str, Any]]:
        pause = _FIRST_POLL_SECONDS
        while True:
            entries = [entry for entry in await self._query() if entry["id"] in names]
            if all(entry["status"] == "concluded" for entry in entries):
                return entries
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_SECONDS)

    async def _query(self) -> list[dict[str, Any]]:
        return cast("list[dict[str, Any]]", await self._monitor.execute("query-jobs"))


def _action(job: CopyJob) -> dict[str, object]:
    which: dict[str, object] = {"sync": "full"}
    if job.since is not None:
        which = {"sync": "bitmap", "bitmap": bitmap_name(job.since), "bitmap-mode": "never"}
    data = {"job-id": job.name, "device": disk_node(job.slot), "target": job.name, "auto-dismiss": False, **which}
    return {"type": "blockdev-backup", "data": data}
