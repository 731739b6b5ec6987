"""A node that is killed in the middle of a backup, or of its deletion, and comes back."""

from pathlib import Path
from typing import Any

from bluelobster.pve import PveClient
from cloud import TestCloud, eventually
from faults.node_victim import chunks, files, write
from faults.test_backups_killed import begin
from node_process import NodeProcess, own_node


async def come_back(node: NodeProcess) -> None:
    await node.kill()
    await node.start()


async def connected(cloud: TestCloud) -> PveClient:
    return await cloud.parts.connections.to("px1")


async def test_killed_while_it_makes_a_backup(cloud: TestCloud, tmp_path: Path) -> None:
    async with own_node(cloud, tmp_path / "px") as node:
        instance_id = await cloud.launched()
        (machine,) = await (await connected(cloud)).vms()
        for block in (0, 1):
            write(node, machine.vmid, b"content %d" % block, block)
        await node.befall(storage="backup", seconds=300)
        task_id = await begin(cloud, instance_id)

        async def is_half_stored() -> set[str]:
            return chunks(node)

        await eventually(is_half_stored)
        await come_back(node)
        task = await cloud.ended(task_id)
        message = "Failed to back up instance: the hypervisor could not finish it"
        assert (task["status"], task["message"]) == ("FAILED", message)
        pve = await connected(cloud)
        (machine,) = await pve.vms()
        assert (machine.status, machine.lock) == ("running", None)
        assert await pve.backup_volumes("backup") == []
        assert (await cloud.customer.get("/backups")).json()["total"] == 0
        assert files(node.data / "backups") == []
        assert files(node.data / "run") == [f"{machine.vmid}.json"]
        await cloud.completed(await begin(cloud, instance_id))
        assert len(await pve.backup_volumes("backup")) == 1


async def test_killed_while_it_removes_a_backup(cloud: TestCloud, tmp_path: Path) -> None:
    async with own_node(cloud, tmp_path / "px") as node:
        await cloud.completed(await begin(cloud, await cloud.launched()))
        (entry,) = (await cloud.customer.get("/backups")).json()["backups"]
        await node.befall(kind="task-hangs", method="DELETE", path="/content/")
        deleted = (await cloud.customer.delete("/backups", params={"volid": entry["volid"]})).json()
        pve = await connected(cloud)

        async def is_under_way() -> list[Any]:
            return [task for task in await pve.running_tasks() if task.type == "imgdel"]

        await eventually(is_under_way)
        await come_back(node)
        await cloud.completed(deleted["task_id"])
        assert await pve.backup_volumes("backup") == []
        assert (await cloud.customer.get("/backups")).json()["total"] == 0


async def test_killed_while_it_writes(tmp_path: Path) -> None:
    """What it had not finished writing is gone when it is back."""
    node = NodeProcess(tmp_path)
    await node.start()
    torn = [tmp_path / folder / ".100.json.tmp" for folder in ("vms", "firewall", "run")]
    try:
        for path in torn:
            path.write_text("{")
        await come_back(node)
        assert [path for path in torn if path.exists()] == []
    finally:
        await node.kill()
