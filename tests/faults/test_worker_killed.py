"""A worker that is killed at any point of an operation leaves it completed, or failed and undone: by the next one."""

import signal
from pathlib import Path
from typing import Any

import pytest

from bluelobster.instances.delete import DELETE
from bluelobster.instances.launch import CREATE
from bluelobster.tasks.operation import Operation
from cloud import CLEAN, TestCloud
from faults.victim import end, start_victim, until_ended
from pvelocal.faults import Fault

# Tasks of the hypervisor that each step waits for; their ids are kept before they are waited for.
UPIDS = {
    "create_vm": ("create",),
    "grow_disk": ("grow",),
    "start": ("start",),
    "stop": ("stop",),
    "destroy": ("destroy",),
    "back_up": ("backup",),
    "remove_volume": ("remove",),
}
# As if the time had gone by for which the dead worker had claimed its tasks.
LEASES_PASS = """
with passed as (update absurd.r_operations set claim_expires_at = clock_timestamp() where state = 'running' returning 1)
select count(*) from passed
"""
START_FAILS = Fault("task-fails", "POST", r"/status/start$", times=None, message="no such device")


def points(operation: Operation[Any]) -> list[str]:
    """Every point of an operation that succeeds, of the steps that concern every subject."""
    found = []
    for step in (each for each in operation.steps if each.concerns is None):
        found += [f"do:{step.name} before"]
        found += [f"upid:do:{step.name}:{upid} acted" for upid in UPIDS.get(step.name, ())]
        found += [f"do:{step.name} acted", f"do:{step.name} saved"]
    # The last checkpoint is saved with the end.
    return [*found[:-1], "end acted"]


CREATE_POINTS = points(CREATE)
DELETE_POINTS = points(DELETE)
UNDO_POINTS = [
    "gave_up acted",
    "undo:create_vm before",
    "upid:undo:create_vm:destroy acted",
    "undo:create_vm acted",
    "end acted",
]


async def kill_worker(cloud: TestCloud, point: str, log: Path) -> None:
    victim = start_victim(cloud.settings, point, signal.SIGKILL, log)
    try:
        await until_ended(victim, signal.SIGKILL)
    finally:
        end(victim)
    await cloud.one(LEASES_PASS)


@pytest.mark.parametrize("point", CREATE_POINTS)
async def test_killed_while_launching(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    accepted = await idle_cloud.launch(instance_type="gpu_1x_a4000")
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        assert len(list(idle_cloud.node.node.vms)) == 1
        shown = (await idle_cloud.customer.get(f"/instances/{accepted['vm_uuid']}")).json()
        assert (shown["status"], shown["power_status"]) == ("rented", "running")
        deleted = await idle_cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
        assert deleted.json()["status"] == "success"
    assert await idle_cloud.leftovers() == CLEAN


@pytest.mark.parametrize("point", DELETE_POINTS)
async def test_killed_while_deleting(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched()
    await idle_cloud.request_deletion(instance_id)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        task_id = await idle_cloud.one("select id::text from tasks where operation = 'delete_instance'")
        await idle_cloud.completed(task_id)
    assert await idle_cloud.leftovers() == CLEAN


@pytest.mark.parametrize("point", UNDO_POINTS)
async def test_killed_while_undoing(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    idle_cloud.node.faults.add(START_FAILS)
    accepted = await idle_cloud.launch()
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        assert (await idle_cloud.ended(accepted["task_id"]))["status"] == "FAILED"
    assert await idle_cloud.leftovers() == CLEAN


async def test_no_point_is_missing(idle_cloud: TestCloud, tmp_path: Path) -> None:
    log = tmp_path / "log"
    accepted = await idle_cloud.launch(password="correct-horse")
    await kill_worker(idle_cloud, "end acted", log)
    assert log.read_text().splitlines() == CREATE_POINTS
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
    log.unlink()
    await idle_cloud.request_deletion(accepted["vm_uuid"])
    await kill_worker(idle_cloud, "end acted", log)
    assert log.read_text().splitlines() == DELETE_POINTS
