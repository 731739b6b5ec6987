"""A worker that falls asleep loses its task, and writes nothing when it wakes up."""

import asyncio
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from cloud import CLEAN, TestCloud, eventually
from faults.victim import end, start_victim

POINTS = (
    "do:create_vm acted",
    "do:start before",
    "upid:do:start:start acted",
    "do:wait_for_first_boot acted",
    "end acted",
)


async def asleep(process: BaseProcess) -> bool:
    stat = await asyncio.to_thread(Path(f"/proc/{process.pid}/stat").read_text)
    return stat.rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("point", POINTS)
async def test_a_woken_worker_writes_nothing(idle_cloud: TestCloud, tmp_path: Path, point: str) -> None:
    accepted = await idle_cloud.launch()
    victim = start_victim(idle_cloud.settings, point, signal.SIGSTOP, tmp_path / "log")
    try:
        await eventually(lambda: asleep(victim))
        async with idle_cloud.worker():
            await idle_cloud.completed(accepted["task_id"])
            before = await history(idle_cloud, accepted["task_id"])
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGCONT)
            await eventually(lambda: awake(victim))
            deleted = await idle_cloud.customer.delete(f"/instances/{accepted['vm_uuid']}")
            assert deleted.json()["status"] == "success"
            assert await history(idle_cloud, accepted["task_id"]) == before
    finally:
        end(victim)
    assert await idle_cloud.leftovers() == CLEAN


async def awake(process: BaseProcess) -> bool:
    return not await asleep(process)


async def history(cloud: TestCloud, task_id: str) -> object:
    return await cloud.one("select (status, message, updated_at, ended_at)::text from tasks where id = %s", task_id)
