"""What is asked for begins at once, however seldom the worker looks by itself."""

import asyncio

import pytest

from bluelobster.db.pool import Pool
from bluelobster.tasks import run, worker
from bluelobster.tasks.spawn import WAKE
from bluelobster.tasks.worker import Worker
from bluelobster.worker import engine_of
from cloud import TestCloud, eventually

HOURS = 4 * 3600.0
LISTENING = "select count(*) from pg_stat_activity where datname = current_database() and starts_with(query, 'listen')"


@pytest.fixture
def sleepy_cloud(idle_cloud: TestCloud) -> TestCloud:
    """A cloud whose worker looks for work when it starts, and after that only when it is told of some."""
    idle_cloud.settings.poll_seconds = HOURS
    return idle_cloud


async def listening(cloud: TestCloud) -> bool:
    return bool(await cloud.one(LISTENING))


async def test_a_worker_that_sleeps_is_woken(sleepy_cloud: TestCloud) -> None:
    async with sleepy_cloud.worker():
        await eventually(lambda: listening(sleepy_cloud))
        for _ in range(3):
            instance_id = await sleepy_cloud.launched()
            deleted = await sleepy_cloud.customer.delete(f"/instances/{instance_id}")
            assert deleted.json()["status"] == "success"


async def test_many_at_once_are_all_begun(sleepy_cloud: TestCloud) -> None:
    async with sleepy_cloud.worker():
        await eventually(lambda: listening(sleepy_cloud))
        accepted = await asyncio.gather(*(sleepy_cloud.launch() for _ in range(10)))
        await asyncio.gather(*(sleepy_cloud.completed(each["task_id"]) for each in accepted))


async def test_work_that_comes_while_the_worker_looks_is_not_overlooked(
    idle_cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the worker has found nothing, is told of something, and is about to fall asleep."""
    sleeper = Worker(
        engine_of(idle_cloud.parts), idle_cloud.settings.database_url, slots=8, lease_seconds=2, poll_seconds=HOURS
    )
    asked: list[str] = []
    asleep = False

    async def told() -> bool:
        return sleeper._wake.is_set()

    async def claim(pool: Pool, name: str, lease_seconds: int, most: int) -> list[run.Run]:
        found = await run.claim(pool, name, lease_seconds, most)
        if asleep and not asked:
            sleeper._wake.clear()
            asked.append((await idle_cloud.launch())["task_id"])
            await eventually(told)
        return found

    monkeypatch.setattr(worker, "claim", claim)
    working = asyncio.create_task(sleeper.work())
    try:
        await eventually(lambda: listening(idle_cloud))
        asleep = True
        await idle_cloud.one("select pg_notify(%s, '')", WAKE)
        await eventually(lambda: has_asked(asked))
        await idle_cloud.completed(asked[0])
    finally:
        working.cancel()
        await asyncio.wait([working])


async def has_asked(asked: list[str]) -> bool:
    return bool(asked)
