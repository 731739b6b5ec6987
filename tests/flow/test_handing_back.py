"""A worker that stops hands its tasks back; one that ended meanwhile is nobody's any more."""

import pytest

from bluelobster.db.pool import transaction
from bluelobster.tasks.run import LeaseLost, claim
from cloud import TestCloud


async def test_a_run_that_is_handed_back_is_taken_up_again(idle_cloud: TestCloud) -> None:
    accepted = await idle_cloud.launch()
    pool, clock = idle_cloud.parts.pool, idle_cloud.parts.clock
    [run] = await claim(pool, "one", 10, 5)
    assert await claim(pool, "another", 10, 5) == []
    await run.hand_back(pool, "the worker stops", clock.now())
    [again] = await claim(pool, "another", 10, 5)
    assert str(again.task_id) == str(run.task_id) == accepted["task_id"]
    with pytest.raises(LeaseLost):
        await run.extend(pool)
    with pytest.raises(LeaseLost):
        await run.hand_back(pool, "once more", clock.now())


async def test_a_run_that_ended_cannot_be_handed_back(idle_cloud: TestCloud) -> None:
    await idle_cloud.launch()
    pool, clock = idle_cloud.parts.pool, idle_cloud.parts.clock
    [run] = await claim(pool, "one", 10, 5)
    async with transaction(pool) as tx:
        await run.lock(tx)
        await run.complete(tx)
    with pytest.raises(LeaseLost):
        await run.hand_back(pool, "the worker stops", clock.now())
    with pytest.raises(LeaseLost):
        await run.extend(pool)
    with pytest.raises(LeaseLost):
        await run.save(pool, "do:something", True)
