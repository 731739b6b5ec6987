"""The worker stops when it is told to, even if it is told something else at the same moment."""

import asyncio

from bluelobster.tasks.worker import Worker
from bluelobster.worker import engine_of
from cloud import TestCloud


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
