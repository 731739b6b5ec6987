"""A node in a process of its own that is killed at points of the worker's operations, and what it left behind.

The points are those of `victim`. They are the worker's; whatever the node is doing at that moment is cut short.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bluelobster.tasks.engine import Engine
from bluelobster.tasks.run import Run
from cloud import TestCloud, eventually
from faults.victim import watch
from node_process import NodeProcess
from pvelocal.backups.index import read_index
from pvelocal.simulated_disks import read_content, write_content

BLOCK = 4 << 20
SECONDS = 60.0
# As if the time had gone by for which tasks wait that the dead node did not answer.
PAUSES_PASS = """
with passed as (update absurd.r_operations set available_at = clock_timestamp()
                where state = 'sleeping' and available_at > clock_timestamp() returning 1)
select count(*) from passed
"""


@dataclass
class NodeVictim:
    """Kills the node at each of `points` in turn, once `ready` when it got there."""

    cloud: TestCloud
    node: NodeProcess
    points: list[str] = field(default_factory=list)
    ready: Callable[[], bool] = lambda: True
    dead: bool = False

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """For as long as the test lasts."""
        for owner, name in ((Engine, "_perform"), (Engine, "_turn"), (Run, "checkpoint"), (Run, "complete")):
            monkeypatch.setattr(owner, name, getattr(owner, name))
        watch(self.reached)

    def reached(self, here: str) -> None:
        """Nothing else of the cloud goes on before the node is dead."""
        if self.points and here == self.points[0]:
            self.points.pop(0)
            deadline = time.monotonic() + SECONDS
            while not self.ready():
                assert time.monotonic() < deadline
            self.kill()

    def kill(self) -> None:
        assert self.node.process is not None
        self.node.process.kill()
        self.dead = True

    async def come_back(self) -> None:
        await self.node.ended()
        self.dead = False
        await self.node.start()

    async def ended(self, task_id: str) -> dict[str, Any]:
        """The task, once it has ended; the node comes back after each of its deaths."""

        async def look() -> dict[str, Any] | None:
            if self.dead:
                await self.come_back()
            await self.cloud.one(PAUSES_PASS)
            task: dict[str, Any] = (await self.cloud.customer.get(f"/tasks/{task_id}")).json()
            return task if task["status"] in {"COMPLETED", "FAILED"} else None

        task: dict[str, Any] = await eventually(look, SECONDS)
        assert self.points == []
        if self.dead:
            await self.come_back()
        return task


def write(node: NodeProcess, vmid: int, text: bytes, block: int = 0) -> None:
    """As the guest; a node that goes on after its last backup of the guest does not hear of it."""
    write_content(disk_of(node, vmid), block * BLOCK, text)


def read(node: NodeProcess, vmid: int, length: int, block: int = 0) -> bytes:
    return read_content(disk_of(node, vmid), block * BLOCK, length)


def disk_of(node: NodeProcess, vmid: int) -> Path:
    (disk,) = (node.data / "images" / str(vmid)).glob("*disk-0*")
    return disk


def chunks(node: NodeProcess) -> set[str]:
    return {path.name for path in (node.data / "backups" / "chunks").glob("*/*")}


async def must_be_whole(cloud: TestCloud, node: NodeProcess, instance_id: str) -> int:
    """One machine, which runs and which nothing locks; no file of any other, nor of a backup that is not listed. Its
    number."""

    async def gone() -> bool:
        return bool(await cloud.one("select count(*) = 0 from replaced_machines"))

    await eventually(gone)
    pve = await cloud.parts.connections.to("px1")
    vmid: int = await cloud.one("select vmid from instances where id = %s", instance_id)
    assert [(each.vmid, each.status, each.lock) for each in await pve.vms()] == [(vmid, "running", None)]
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"] == "running"
    busy = "firewall_held or restoring_vmid is not null or replaced_vmid is not null"
    assert await cloud.one(f"select count(*) from instances where {busy}") == 0
    assert await cloud.one("select sum(disk_gb_used) = (select sum(disk_gb) from instances) from hosts")
    assert files(node.data / "images") == [str(disk_of(node, vmid).relative_to(node.data / "images"))]
    for folder in ("run", "vms"):
        assert files(node.data / folder) == [f"{vmid}.json"]
    await must_agree(cloud, node)
    return vmid


async def must_agree(cloud: TestCloud, node: NodeProcess) -> None:
    """Our record, the storage and what costs have the same backups, and the storage's folder no file beyond them."""
    pve = await cloud.parts.connections.to("px1")
    listed = {each["volid"] for each in (await cloud.customer.get("/backups")).json()["backups"]}
    assert {each.volid for each in await pve.backup_volumes("backup")} == listed
    assert await cloud.one("select count(*) from backup_usage_periods where ended_at is null") == len(listed)
    indexes = list((node.data / "backups" / "vm").glob("*/*.index"))
    assert len(indexes) == len(listed)
    needed = {digest for path in indexes for digest in read_index(path).digests()}
    assert chunks(node) == needed
    assert len(files(node.data / "backups")) == len(indexes) + len(needed)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
