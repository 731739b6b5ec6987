"""What is committed while a worker is claiming is claimed as well, and carried out: not once the claim has run out."""

import asyncio

import pytest

from bluelobster.tasks.run import claim
from cloud import TestCloud, eventually

# The claim has begun to look, and waits until the lock is free.
WAIT = """
    alter function absurd.claim_task rename to claim_task_at_last;
    create function absurd.claim_task(text, text, integer, integer)
    returns table (run_id uuid, task_id uuid, attempt integer, task_name text, params jsonb, retry_strategy jsonb,
                   max_attempts integer, headers jsonb, wake_event text, event_payload jsonb)
    language plpgsql as $$ begin
        perform pg_advisory_xact_lock(1);
        return query select * from absurd.claim_task_at_last($1, $2, $3, $4);
    end $$"""
WAITING = "select count(*) from pg_locks where locktype = 'advisory' and not granted and objid = 1"


@pytest.mark.own_database
async def test_what_is_committed_meanwhile_is_claimed_with_its_task(idle_cloud: TestCloud) -> None:
    pool = idle_cloud.parts.pool
    async with pool.connection() as lock:
        await lock.execute(WAIT)
        await lock.execute("select pg_advisory_lock(1)")
        claiming = asyncio.create_task(claim(pool, "worker", 60, 10))
        await eventually(lambda: idle_cloud.one(WAITING))
        accepted = await idle_cloud.launch()
        await lock.execute("select pg_advisory_unlock(1)")
        runs = await claiming
    assert [str(run.task_id) for run in runs] == [accepted["task_id"]]
