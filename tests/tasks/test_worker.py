"""A worker stops when it is told to, even if it is told something else at the same moment, and knows when to rest."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bluelobster.db.clocks import TOLERATED
from bluelobster.stopping import stop
from bluelobster.tasks.worker import Worker
from bluelobster.worker import engine_of
from cloud import TestCloud, eventually
from set_clock import WrongClock


async def test_a_worker_that_is_woken_and_stopped_at_once_stops(idle_cloud: TestCloud) -> None:
    worker = Worker(
        engine_of(idle_cloud.parts), idle_cloud.settings.database_url, slots=1, lease_seconds=2, poll_seconds=60
    )
    working = asyncio.create_task(worker.work())
    async with asyncio.timeout(10):
        while not worker.is_waiting:
            await asyncio.sleep(0)
        worker.wake()
        working.cancel()
        await asyncio.wait([working])
    assert working.cancelled()


@pytest.mark.parametrize("ahead", [2 * TOLERATED, timedelta(days=-1)])
async def test_a_worker_with_a_wrong_clock_leaves_the_work_to_others(
    idle_cloud: TestCloud, ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    launch = await idle_cloud.launch()
    engine = replace(engine_of(idle_cloud.parts), clock=WrongClock(ahead))
    worker = Worker(engine, idle_cloud.settings.database_url, slots=1, lease_seconds=2, poll_seconds=0.01)
    working = asyncio.create_task(worker.work())

    async def complains() -> bool:
        said = f"this machine's clock differs from the database's by {ahead.total_seconds():.0f} s"
        return f"nothing is carried out here: {said}" in caplog.text

    await eventually(complains)
    assert (await idle_cloud.customer.get(f"/tasks/{launch['task_id']}")).json()["status"] == "PENDING"
    async with idle_cloud.worker():
        await idle_cloud.completed(launch["task_id"])
    await stop(working)
