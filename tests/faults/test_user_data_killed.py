"""A worker that is killed while it brings or removes a machine's user data: the next one ends what it began."""

import signal
from pathlib import Path
from tempfile import gettempdir

import pytest

from cloud import CLEAN, TestCloud
from faults.victim import end, start_victim, until_ended

SCRIPT = "#!/bin/sh\ntrue\n"


async def kill_worker(cloud: TestCloud, point: str, log: Path) -> None:
    victim = start_victim(cloud.settings, point, signal.SIGKILL, log)
    try:
        await until_ended(victim, signal.SIGKILL)
    finally:
        end(victim)


@pytest.mark.parametrize("point", ["upid:do:create_vm:upload drive acted", "upid:do:create_vm:create acted"])
async def test_killed_while_launching(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    accepted = await idle_cloud.launch(user_data=SCRIPT)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    assert list(Path(gettempdir()).glob(f"*/*{accepted['vm_uuid']}*")) == []
    async with idle_cloud.worker():
        await idle_cloud.completed(accepted["task_id"])
        await idle_cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
    assert await idle_cloud.leftovers() == CLEAN
    assert list((idle_cloud.node.node.settings.data / "template" / "iso").iterdir()) == []


@pytest.mark.parametrize("point", ["upid:do:destroy:destroy acted", "upid:do:destroy:remove image acted"])
async def test_killed_while_deleting(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    async with idle_cloud.worker():
        instance_id = await idle_cloud.launched(user_data=SCRIPT)
    task_id = await idle_cloud.request_deletion(instance_id)
    await kill_worker(idle_cloud, point, tmp_path / "log")
    async with idle_cloud.worker():
        await idle_cloud.completed(task_id)
    assert await idle_cloud.leftovers() == CLEAN
    assert list((idle_cloud.node.node.settings.data / "template" / "iso").iterdir()) == []
