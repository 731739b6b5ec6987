"""Backups that cannot be: each ends with a true message, and leaves nothing behind."""

import logging
import os
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from bluelobster.backups import lock
from cloud import TestCloud, eventually
from pvelocal.faults import Fault, Kind, StorageFault

MIB = 2**20


def write(cloud: TestCloud, mib: int) -> None:
    """Let the one guest write, so that there is something to store."""
    (disk,) = (cloud.node.node.settings.data / "images").glob("*/vm-*-disk-0.*")
    cloud.hypervisor.write(disk, 0, os.urandom(mib * MIB))


def storage_is(cloud: TestCloud, **fault: Any) -> None:
    cloud.node.node.faults.befall_storage("backup", StorageFault(**fault))


async def begin(cloud: TestCloud, instance_id: str) -> str:
    """Ask for a backup; its task."""
    accepted = await cloud.customer.post(f"/instances/{instance_id}/backup")
    assert accepted.status_code == 200, accepted.text
    task_id: str = accepted.json()["task_id"]
    return task_id


async def failed(cloud: TestCloud, instance_id: str) -> str:
    """Ask for a backup, which fails; why."""
    task = await cloud.ended(await begin(cloud, instance_id))
    assert task["status"] == "FAILED", task
    message: str = task["message"]
    return message


async def must_be_as_before(cloud: TestCloud, instance_id: str) -> None:
    """No backup or part of one, no lock, nothing that costs. The guest runs, and can be backed up."""
    node = cloud.node.node
    (vm,) = node.vms
    assert "lock" not in vm.config
    assert (await cloud.customer.get("/backups")).json()["total"] == 0
    assert await cloud.one("select count(*) from backup_usage_periods") == 0
    assert await cloud.one("select count(*) from backups where status <> 'failed'") == 0
    assert await cloud.one("select count(*) from tasks where ended_at is null") == 0
    assert (await cloud.customer.get(f"/instances/{instance_id}")).json()["power_status"] == "running"
    assert [path for path in (node.settings.data / "backups").rglob("*") if path.is_file()] == []
    node.faults.clear()
    await cloud.completed(await begin(cloud, instance_id))


async def test_a_storage_that_is_full(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    write(cloud, 12)
    storage_is(cloud, limit=5 * MIB)
    assert await failed(cloud, instance_id) == "Failed to back up instance: the backup storage is full"
    await must_be_as_before(cloud, instance_id)


async def test_a_storage_that_is_away(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    storage_is(cloud, gone=True)
    assert await failed(cloud, instance_id) == "Failed to back up instance: the backup storage does not answer"
    await must_be_as_before(cloud, instance_id)


async def test_a_storage_that_vanishes_half_way(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    write(cloud, 12)
    storage_is(cloud, gone_after=5 * MIB)
    assert await failed(cloud, instance_id) == "Failed to back up instance: the backup storage does not answer"
    node = cloud.node.node
    node.faults.clear()
    for storage in node.backups.values():
        storage.sweep()
    await must_be_as_before(cloud, instance_id)


async def test_a_deletion_waits_for_no_storage(cloud: TestCloud) -> None:
    instance_id = await cloud.launched()
    await cloud.completed(await begin(cloud, instance_id))
    (entry,) = (await cloud.customer.get("/backups")).json()["backups"]
    storage_is(cloud, gone=True)
    deleted = (await cloud.customer.delete("/backups", params={"volid": entry["volid"]})).json()
    task = await cloud.ended(deleted["task_id"])
    message = "Failed to delete backup: the backup storage does not answer; try again later"
    assert (task["status"], task["message"]) == ("FAILED", message)
    assert (await cloud.customer.get("/backups")).json()["backups"] == [entry]
    cloud.node.node.faults.clear()
    deleted = (await cloud.customer.delete("/backups", params={"volid": entry["volid"]})).json()
    await cloud.completed(deleted["task_id"])


@pytest.mark.parametrize("kind", ["task-fails", "task-fails-after"])
async def test_a_job_that_fails(cloud: TestCloud, kind: Kind) -> None:
    instance_id = await cloud.launched()
    cloud.node.faults.add(Fault(kind, "POST", r"/vzdump$", message="job errors"))
    assert await failed(cloud, instance_id) == "Failed to back up instance: the hypervisor could not finish it"
    await must_be_as_before(cloud, instance_id)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", r"/storage/backup/content$"),
        ("POST", r"/vzdump$"),
        ("GET", r"/tasks$"),
        ("GET", r"/tasks/UPID:[^/]+:vzdump:[^/]+/status$"),
        ("GET", r"/tasks/UPID:[^/]+:vzdump:[^/]+/log$"),
    ],
)
async def test_a_connection_that_breaks_is_got_over(cloud: TestCloud, method: str, path: str) -> None:
    instance_id = await cloud.launched()
    storage_is(cloud, seconds=0.3)
    # More often than a call is sent again by itself.
    broken = cloud.node.faults.add(Fault("drop-after", method, path, times=4 if method == "GET" else 1))
    await cloud.completed(await begin(cloud, instance_id))
    assert broken.fired
    assert (await cloud.customer.get("/backups")).json()["total"] == 1
    pve = await cloud.parts.connections.to("px1")
    assert len(await pve.backup_volumes("backup")) == 1


async def test_a_lock_that_was_left_behind(
    cloud: TestCloud, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "SECOND_LOOK_SECONDS", 0.05)
    instance_id = await cloud.launched()
    (vm,) = cloud.node.node.vms
    vm.config["lock"] = "backup"
    with caplog.at_level(logging.ERROR):
        said = await failed(cloud, instance_id)
    assert said == (
        "Failed to back up instance: an earlier operation on the hypervisor (backup) was interrupted and has left the "
        "machine locked; support has to unlock it"
    )
    assert f"qm unlock {vm.vmid}" in caplog.text
    assert vm.config.pop("lock") == "backup"
    await must_be_as_before(cloud, instance_id)


async def test_a_lock_that_is_held_is_waited_for(cloud: TestCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a backup of all machines that the operator makes."""
    monkeypatch.setattr(lock, "SECOND_LOOK_SECONDS", 0.05)
    instance_id = await cloud.launched()
    (vm,) = cloud.node.node.vms
    storage_is(cloud, seconds=1.5)
    pve = await cloud.parts.connections.to("px1")
    other = await pve.start_backup(vm.vmid, "backup", "the operator's own")
    assert other is not None

    async def is_locked() -> bool:
        return "lock" in vm.config

    await eventually(is_locked)
    task_id = await begin(cloud, instance_id)

    async def says_so() -> bool:
        said = (await cloud.customer.get(f"/tasks/{task_id}")).json()["message"]
        return bool(said == "Waiting for another operation of the hypervisor to end")

    await eventually(says_so)
    await cloud.completed(task_id)
    assert not (await pve.task_status(other)).running
    assert (await cloud.customer.get("/backups")).json()["total"] == 1
    assert len(await pve.backup_volumes("backup")) == 2


async def test_a_backup_that_takes_too_long_is_stopped(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
    storage_is(idle_cloud, seconds=60)
    task_id = await begin(idle_cloud, accepted["vm_uuid"])
    deadline = idle_cloud.parts.clock.now() + timedelta(seconds=1)
    began = "update tasks set status = 'PROCESSING', deadline_at = %s where id = %s returning 1"
    await idle_cloud.one(began, deadline, UUID(task_id))
    async with idle_cloud.worker():
        task = await idle_cloud.ended(task_id)
        assert (task["status"], task["message"]) == ("FAILED", "Failed to back up instance: backing up took too long")
        await must_be_as_before(idle_cloud, accepted["vm_uuid"])
