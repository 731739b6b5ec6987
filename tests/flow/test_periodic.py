"""Periodic work: one worker a slot, and what housekeeping takes away."""

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime, timedelta

import pytest
from psycopg import sql

from bluelobster.clock import SystemClock
from bluelobster.db.clocks import TOLERATED
from bluelobster.db.pool import Pool, connect
from bluelobster.tasks.housekeeping import forget_old_tasks
from bluelobster.tasks.periodic import Job, claim_slot, keep_doing
from cloud import TestCloud, eventually
from set_clock import SetClock, WrongClock

WORKERS = 4
OFFERS = 10
WEEK = timedelta(days=7)
SECOND = timedelta(seconds=1)


async def test_a_slot_goes_to_one_of_many(database: str) -> None:
    clock = SetClock(SystemClock().now())
    async with AsyncExitStack() as stack:
        pools = [
            await stack.enter_async_context(connect(database, size=OFFERS, idle_seconds=10)) for _ in range(WORKERS)
        ]
        for _ in range(3):
            assert (await everybody_offers(pools, clock)).count(True) == 1
            clock.at += 59 * SECOND
            assert (await everybody_offers(pools, clock)).count(True) == 0
            clock.at += SECOND


async def everybody_offers(pools: list[Pool], clock: SetClock) -> list[bool]:
    return await asyncio.gather(*(claim_slot(pool, "charge", 60, clock) for pool in pools for _ in range(OFFERS)))


async def test_jobs_have_slots_of_their_own(database: str) -> None:
    clock = SetClock(SystemClock().now())
    async with connect(database, size=2, idle_seconds=10) as pool:
        assert await claim_slot(pool, "charge", 60, clock)
        assert await claim_slot(pool, "look", 1, clock)
        clock.at += SECOND
        assert not await claim_slot(pool, "charge", 60, clock)
        assert await claim_slot(pool, "look", 1, clock)


@pytest.mark.parametrize("ahead", [timedelta(days=30), timedelta(days=-30), 2 * TOLERATED])
async def test_a_machine_with_a_wrong_clock_does_no_job(
    database: str, ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(database, size=1, idle_seconds=10) as pool:
        assert not await claim_slot(pool, "charge", 60, WrongClock(ahead))
        complaint = f"this machine's clock differs from the database's by {ahead.total_seconds():.0f} s"
        assert f"charge is not done here: {complaint}" in caplog.text
        assert await claim_slot(pool, "charge", 60, WrongClock(TOLERATED / 10))
        assert not await claim_slot(pool, "charge", 60, SystemClock())


async def test_what_a_wrong_clock_put_off_is_done(database: str) -> None:
    now = SystemClock().now()
    async with connect(database, size=1, idle_seconds=10) as pool:
        assert await claim_slot(pool, "charge", 60, SetClock(now + timedelta(days=30)))
        assert await claim_slot(pool, "charge", 60, SetClock(now))
        assert not await claim_slot(pool, "charge", 60, SetClock(now))


async def test_a_job_that_fails_is_done_again(database: str) -> None:
    done = 0

    async def stumble() -> None:
        nonlocal done
        done += 1
        if done == 1:
            raise ZeroDivisionError

    async def done_again() -> bool:
        return done > 1

    async with connect(database, size=2, idle_seconds=10) as pool:
        doing = asyncio.create_task(keep_doing(Job("stumble", 0.01, stumble), pool, SystemClock()))
        await eventually(done_again)
        doing.cancel()
        await asyncio.wait([doing])


@pytest.mark.own_database
async def test_tasks_are_kept_for_seven_days(idle_cloud: TestCloud) -> None:
    async with idle_cloud.worker():
        ended = (await idle_cloud.launch())["task_id"]
        await idle_cloud.completed(ended)
    live = (await idle_cloud.launch())["task_id"]
    moment = await idle_cloud.one("select ended_at from tasks where id = %s", ended)

    await forget_at(idle_cloud, moment + WEEK - SECOND)
    assert (await idle_cloud.customer.get(f"/tasks/{ended}")).status_code == 200
    assert await remembered_by_the_engine(idle_cloud) == 2

    await forget_at(idle_cloud, moment + WEEK + SECOND)
    assert (await idle_cloud.customer.get(f"/tasks/{ended}")).status_code == 404
    assert (await idle_cloud.customer.get(f"/tasks/{live}")).json()["status"] == "PENDING"
    assert await remembered_by_the_engine(idle_cloud) == 1

    async with idle_cloud.worker():
        await idle_cloud.completed(live)


async def forget_at(cloud: TestCloud, moment: datetime) -> None:
    """Keep house at a moment; the engine is told the time by a setting of the database."""
    setting = sql.SQL("alter database {} set absurd.fake_now = {}").format(
        sql.Identifier(await cloud.one("select current_database()")), moment.isoformat()
    )
    async with cloud.parts.pool.connection() as connection:
        await connection.execute(setting)
    async with connect(cloud.settings.database_url, size=2, idle_seconds=10) as pool:
        await forget_old_tasks(pool, SetClock(moment))


async def remembered_by_the_engine(cloud: TestCloud) -> int:
    return int(await cloud.one("select count(*) from absurd.t_operations"))


async def test_the_engine_forgets_more_than_it_does_at_once(idle_cloud: TestCloud) -> None:
    await idle_cloud.one(
        """with old as (
             insert into absurd.t_operations (task_id, task_name, params, enqueue_at, state, attempts, cancelled_at)
             select gen_random_uuid(), 'x', '{}', now() - interval '9 days', 'cancelled', 1, now() - interval '8 days'
             from generate_series(1, 2500) returning 1)
           select count(*) from old"""
    )
    await forget_old_tasks(idle_cloud.parts.pool, idle_cloud.parts.clock)
    assert await remembered_by_the_engine(idle_cloud) == 0
