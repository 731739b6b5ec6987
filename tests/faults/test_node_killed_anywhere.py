"""A node that is killed at any point of a backup, of its deletion or of a restore, or while it works on one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backed_up import backed_up, restore
from bluelobster.backups.create import BACKUP
from bluelobster.backups.delete import DELETE_BACKUP
from bluelobster.backups.restore import RESTORE
from bluelobster.tasks.engine import DEFINITE_FAILURES
from bluelobster.tasks.operation import side_of
from cloud import TestCloud, eventually
from faults.node_victim import PAUSES_PASS, NodeVictim, files, must_be_whole, read, write
from faults.test_backups_killed import begin
from faults.test_restore_killed import UNDO_POINTS, UPIDS
from faults.test_worker_killed import points
from node_process import NodeProcess, own_node

# The hypervisor has begun to remove the volume.
HALF_DONE = "upid:do:remove_volume:remove acted"
# What only writes rows needs no node. What is not noted before a step is noted after the one before it.
RESTORE_POINTS = [
    f"{point} acted"
    for step in RESTORE.steps
    if side_of(step.do) == "node"
    for point in (*([f"upid:do:{step.name}:{UPIDS[step.name]}"] if step.name in UPIDS else []), f"do:{step.name}")
]
WITHOUT_NODE = {"end"} | {f"undo:{step.name}" for step in RESTORE.steps if step.undo and side_of(step.undo) == "tx"}
WAY_BACK = [f"{point} acted" for point in UNDO_POINTS if point not in WITHOUT_NODE]


async def test_while_backups_are_made(cloud: TestCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with own_node(cloud, tmp_path / "px") as node:
        instance_id = await cloud.launched()
        vmid = await must_be_whole(cloud, node, instance_id)
        victim = NodeVictim(cloud, node)
        victim.watch(monkeypatch)
        contents = []
        # From the last one on: a backup that is begun anew comes last, and no other one goes by what it noted.
        for number, point in enumerate(reversed(points(BACKUP))):
            content = b"content %d" % number
            write(node, vmid, content)
            victim.points = [point]
            task = await victim.ended(await begin(cloud, instance_id))
            if task["status"] == "COMPLETED":
                contents.append(content)
            else:
                assert point == "upid:do:back_up:backup acted"
                assert task["message"] == "Failed to back up instance: the hypervisor could not finish it"
            await must_be_whole(cloud, node, instance_id)
        assert len(contents) >= len(points(BACKUP)) - 1
        assert await restored_contents(cloud, node, len(contents[0])) == contents


async def restored_contents(cloud: TestCloud, node: NodeProcess, length: int, block: int = 0) -> list[bytes]:
    """What machines hold that the hypervisor makes from the backups that are listed, the oldest first."""
    pve = await cloud.parts.connections.to("px1")
    found = []
    listed = (await cloud.customer.get("/backups")).json()["backups"]
    for vmid, entry in enumerate(sorted(listed, key=lambda each: each["created_at"]), 9000):
        await pve.wait(await pve.restore_vm(vmid, entry["volid"], "local", {}), timeout=20)
        found.append(read(node, vmid, length, block))
    return found


async def test_while_backups_are_deleted(cloud: TestCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with own_node(cloud, tmp_path / "px") as node:
        instance_id = await cloud.launched()
        vmid = await must_be_whole(cloud, node, instance_id)
        write(node, vmid, b"shared", block=1)
        await backed_up(cloud, instance_id)
        victim = NodeVictim(cloud, node)
        victim.watch(monkeypatch)
        # It forgets what it noted since the last backup: the next one looks at the whole disk.
        victim.kill()
        await victim.come_back()
        for number, point in enumerate(points(DELETE_BACKUP)):
            write(node, vmid, b"content %d" % number)
            volid = await backed_up(cloud, instance_id)
            victim.points, victim.ready = [point], removed(node, volid) if point == HALF_DONE else at_once
            deleted = (await cloud.customer.delete("/backups", params={"volid": volid})).json()
            task = await victim.ended(deleted["task_id"])
            assert task["status"] == "COMPLETED", point
            assert (await cloud.customer.get("/backups")).json()["total"] == 1
            await must_be_whole(cloud, node, instance_id)
        assert await restored_contents(cloud, node, 6, block=1) == [b"shared"]


def at_once() -> bool:
    return True


def removed(node: NodeProcess, volid: str) -> Callable[[], bool]:
    """Whether a backup is gone; its chunks go after it."""
    index = node.data / "backups" / f"{volid.partition('/')[2]}.index"
    assert index.exists()
    return lambda: not index.exists()


async def prepared(cloud: TestCloud, node: NodeProcess) -> tuple[str, str]:
    """An instance, and a backup of what it held before."""
    instance_id = await cloud.launched()
    vmid = await must_be_whole(cloud, node, instance_id)
    for block in (0, 1):
        write(node, vmid, b"first", block)
    volid = await backed_up(cloud, instance_id)
    write(node, vmid, b"other")
    return instance_id, volid


async def must_hold(cloud: TestCloud, node: NodeProcess, instance_id: str, content: bytes) -> None:
    vmid = await must_be_whole(cloud, node, instance_id)
    assert read(node, vmid, len(content)) == content


async def test_during_a_restore(cloud: TestCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One restore, whose node is killed at each point in turn, and another one all the way back."""
    async with own_node(cloud, tmp_path / "px") as node:
        instance_id, volid = await prepared(cloud, node)
        victim = NodeVictim(cloud, node, list(RESTORE_POINTS))
        victim.watch(monkeypatch)
        task = await victim.ended(await restore(cloud, instance_id, volid))
        assert task["status"] == "COMPLETED", task
        await must_hold(cloud, node, instance_id, b"first")

        write(node, await must_be_whole(cloud, node, instance_id), b"other")
        await node.befall(kind="error", method="POST", path="/agent/ping$", times=None, message="no agent")
        victim.points = list(WAY_BACK)
        task = await victim.ended(await restore(cloud, instance_id, volid))
        message = "Failed to restore VM: waiting for the guest to boot was refused by the hypervisor"
        assert (task["status"], task["message"]) == ("FAILED", message)
        await must_hold(cloud, node, instance_id, b"other")


async def test_half_way_through_a_restore(cloud: TestCloud, tmp_path: Path) -> None:
    """Again and again, and once more."""
    async with own_node(cloud, tmp_path / "px") as node:
        instance_id, volid = await prepared(cloud, node)
        victim = NodeVictim(cloud, node)

        async def disk_is_half_there() -> bool:
            return bool(files(node.data / "backups" / "tmp"))

        async def ended(task_id: str, deaths: int) -> dict[str, Any]:
            for _ in range(deaths):
                await node.befall(storage="backup", seconds=300)
                await cloud.one(PAUSES_PASS)
                await eventually(disk_is_half_there)
                victim.kill()
                await victim.come_back()
                assert not await disk_is_half_there()
            return await victim.ended(task_id)

        task = await ended(await restore(cloud, instance_id, volid), DEFINITE_FAILURES)
        message = "Failed to restore VM: bringing the backup back was refused by the hypervisor"
        assert (task["status"], task["message"]) == ("FAILED", message)
        await must_hold(cloud, node, instance_id, b"other")
        task = await ended(await restore(cloud, instance_id, volid), 1)
        assert task["status"] == "COMPLETED", task
        await must_hold(cloud, node, instance_id, b"first")
