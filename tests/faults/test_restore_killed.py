"""A worker that is killed at any point of a restore leaves the instance restored, or as it was: by the next one."""

from pathlib import Path

from backed_up import backed_up, none_left_behind, read, restore, vmid_of, write
from bluelobster.backups.restore import RESTORE
from cloud import CLEAN, TestCloud
from faults.test_worker_killed import kill_worker
from pvelocal.faults import Fault

UPIDS = {"bring_back": "restore", "grow_disk": "grow", "stop_old": "stop", "start_new": "start"}
# Before a step is where the one before it ended, and so is after it.
POINTS = [
    point
    for step in RESTORE.steps
    for point in (*([f"upid:do:{step.name}:{UPIDS[step.name]}"] if step.name in UPIDS else []), f"do:{step.name}")
] + ["end"]
UNDO_POINTS = [
    "gave_up",
    "upid:undo:start_new:stop",
    "undo:start_new",
    "undo:switch",
    "upid:undo:stop_old:start",
    "undo:stop_old",
    "undo:hold_firewall",
    "end",
]
RULE = {"type": "in", "action": "ACCEPT", "proto": "tcp", "dport": "22", "enable": 1}


async def prepared(cloud: TestCloud) -> tuple[str, str]:
    """An instance with a firewall, and a backup of what it held before."""
    async with cloud.worker():
        instance_id = await cloud.launched()
        await write(cloud, instance_id, b"first")
        volid = await backed_up(cloud, instance_id)
    await write(cloud, instance_id, b"other")
    assert (await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json=RULE)).status_code == 200
    return instance_id, volid


async def kill(cloud: TestCloud, point: str, log: Path) -> None:
    """The worker, once it has done what this point is named after and not noted it yet."""
    await kill_worker(cloud, f"{point} acted", log)


async def is_whole(cloud: TestCloud, instance_id: str, content: bytes) -> None:
    """One machine, which runs and holds this; nothing else is left."""
    await none_left_behind(cloud)
    assert await read(cloud, instance_id, 5) == content
    shown = (await cloud.customer.get(f"/instances/{instance_id}")).json()
    (vm,) = cloud.node.node.vms
    assert (vm.vmid, "lock" in vm.config) == (await vmid_of(cloud, instance_id), False)
    assert (shown["power_status"], await cloud.node.node.state(vm)) == ("running", "running")
    firewall = (await cloud.customer.get(f"/instances/{instance_id}/firewall")).json()
    assert [rule["dport"] for rule in firewall["rules"]] == ["22"]
    assert (await cloud.customer.post(f"/instances/{instance_id}/firewall/rules", json=RULE)).status_code == 200
    assert (await cloud.customer.delete(f"/instances/{instance_id}")).json()["status"] == "success"
    assert await cloud.leftovers() == CLEAN


async def test_killed_at_every_point(idle_cloud: TestCloud, tmp_path: Path) -> None:
    """One restore, whose worker is killed at each point in turn."""
    instance_id, volid = await prepared(idle_cloud)
    task_id = await restore(idle_cloud, instance_id, volid)
    for point in POINTS:
        await kill(idle_cloud, point, tmp_path / "log")
        assert len(list(idle_cloud.node.node.vms)) <= 2, point
    async with idle_cloud.worker():
        await idle_cloud.completed(task_id)
        await is_whole(idle_cloud, instance_id, b"first")


async def test_no_point_is_missing(idle_cloud: TestCloud, tmp_path: Path) -> None:
    instance_id, volid = await prepared(idle_cloud)
    await restore(idle_cloud, instance_id, volid)
    await kill(idle_cloud, "end", tmp_path / "log")
    passed = (tmp_path / "log").read_text().splitlines()
    assert [point for point in passed if point.endswith("acted")] == [f"{point} acted" for point in POINTS]


async def test_killed_at_every_point_of_the_way_back(idle_cloud: TestCloud, tmp_path: Path) -> None:
    instance_id, volid = await prepared(idle_cloud)
    vmid = await vmid_of(idle_cloud, instance_id)
    task_id = await restore(idle_cloud, instance_id, volid)
    new = await idle_cloud.one("select restoring_vmid from instances")
    idle_cloud.node.faults.add(Fault("error", "POST", rf"/qemu/{new}/agent/ping$", times=None, message="no agent"))
    for point in UNDO_POINTS:
        await kill(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        task = await idle_cloud.ended(task_id)
        assert (task["status"], task["message"]) == (
            "FAILED",
            "Failed to restore VM: waiting for the guest to boot was refused by the hypervisor",
        )
        assert await vmid_of(idle_cloud, instance_id) == vmid
        await is_whole(idle_cloud, instance_id, b"other")
