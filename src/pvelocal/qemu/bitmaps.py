"""The dirty bitmaps of a running guest's disks, each named by the backup since which it notes changes.

They live in QEMU's memory only, and end with it: there is none to be mistaken about after a guest was killed. A bitmap
is never cleared, either: the next backup starts one of its own, and takes the other's place once its index is kept.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any, cast

from pvelocal.hypervisor import CHUNK_SIZE, Disk, HypervisorError, SnapshotRequest
from pvelocal.qemu.command import disk_node
from pvelocal.qemu.monitor import Monitor

_PREFIX = "backup-"


def bitmap_name(mark: str) -> str:
    """Name of the bitmap that notes changes since the backup of this mark."""
    return f"{_PREFIX}{mark}"


class Bitmaps:
    """Those of one guest, for one backup."""

    def __init__(self, monitor: Monitor, request: SnapshotRequest) -> None:
        self._monitor = monitor
        self._request = request

    async def usable(self, disks: Iterable[Disk]) -> dict[str, str]:
        """The marks of earlier backups that disks, by slot, can be told by their changes since."""
        found: dict[str, str] = {}
        sizes = self._request.earlier
        for node in await block_nodes(self._monitor):
            slot = next((disk.slot for disk in disks if disk_node(disk.slot) == node["node-name"]), None)
            for mark in _marks(node):
                if slot is not None and sizes.get(mark, {}).get(slot) == node["image"]["virtual-size"]:
                    found[slot] = mark
        return found

    def addition(self, disk: Disk) -> dict[str, object]:
        """The action that starts to note changes of a disk."""
        name = bitmap_name(self._request.mark)
        data = {"node": disk_node(disk.slot), "name": name, "granularity": CHUNK_SIZE, "persistent": False}
        return {"type": "block-dirty-bitmap-add", "data": data}

    async def keep(self, disks: Sequence[Disk]) -> None:
        """The backup was made: what was noted since others is of no use any more."""
        await self._remove(disks, own=False)

    async def drop(self, disks: Sequence[Disk]) -> None:
        """It was not made."""
        await self._remove(disks, own=True)

    async def _remove(self, disks: Sequence[Disk], *, own: bool) -> None:
        # Whatever cannot be removed ends with the guest; its mark keeps it from being mistaken for another.
        with contextlib.suppress(HypervisorError):
            names = {disk_node(disk.slot) for disk in disks}
            for node in await block_nodes(self._monitor):
                for mark in _marks(node) if node["node-name"] in names else ():
                    if (mark == self._request.mark) == own:
                        arguments = {"node": node["node-name"], "name": bitmap_name(mark)}
                        await self._monitor.execute("block-dirty-bitmap-remove", **arguments)


def _marks(node: dict[str, Any]) -> list[str]:
    names = [str(bitmap.get("name", "")) for bitmap in node.get("dirty-bitmaps", ()) if bitmap["recording"]]
    return [name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX)]


async def block_nodes(monitor: Monitor) -> list[dict[str, Any]]:
    """All nodes of a guest's disks that have a name, without those below them."""
    return cast("list[dict[str, Any]]", await monitor.execute("query-named-block-nodes", flat=True))
