"""The job that runs schedules: many workers at once, some of which die, and instances that are not to be had."""

import asyncio
import logging
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from backups.scheduled import Scheduled
from bluelobster.backups import run_schedules as job
from bluelobster.backups.create import request_backup
from bluelobster.backups.slots import Rhythm, next_slot
from bluelobster.db.pool import Tx, connect, transaction

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NIGHTLY = Rhythm("daily", 3)
WORKERS = 5


@pytest.fixture
async def nightly(scheduled: Scheduled) -> Scheduled:
    """An instance whose slot is now."""
    instance_id = await scheduled.instance()
    await scheduled.schedule(instance_id, NIGHTLY)
    scheduled.clock.at = next_slot(NIGHTLY, scheduled.clock.at)
    return scheduled


async def test_nothing_happens_before_the_slot(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.look(slot - timedelta(microseconds=1))
    assert await nightly.slots(instance_id) == {}
    await nightly.look(slot)
    assert await nightly.slots(instance_id) == {slot: "started"}
    assert (await nightly.shown(instance_id))["next_run_at"] == (slot + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_the_account_asked_for_it_and_no_key(nightly: Scheduled) -> None:
    await nightly.look()
    found = await nightly.run("select account_id, key_prefix, params->>'scheduled' from tasks where ended_at is null")
    assert found == [(nightly.sight.account_id, None, "true")]
    listed = (await nightly.cloud.customer.get("/tasks?status=pending")).json()["tasks"]
    assert [each["operation"] for each in listed] == ["backup_instance"]


async def test_one_that_is_switched_off_makes_none(nightly: Scheduled) -> None:
    (instance_id,) = nightly.instances
    await nightly.schedule(instance_id, NIGHTLY, enabled=False)
    await nightly.look()
    await nightly.look(nightly.clock.at + 3 * DAY)
    async with transaction(nightly.cloud.parts.pool) as tx:
        await job.run_schedule(tx, instance_id, nightly.clock.at)
    assert await nightly.slots(instance_id) == {}
    await nightly.schedule(instance_id, NIGHTLY, enabled=True)
    await nightly.look()
    assert await nightly.slots(instance_id) == {}, "nothing was missed while it was off"


async def test_a_busy_instance_gets_its_backup_later(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.hold(instance_id)
    for minute in range(3):
        await nightly.look(slot + minute * MINUTE)
        assert await nightly.slots(instance_id) == {}
    await nightly.end("reboot_instance")
    await nightly.look(slot + 11 * HOUR)
    assert await nightly.rows(instance_id) == [(slot, "started", slot + 11 * HOUR)]
    assert await nightly.events("backup.missed") == []
    await nightly.end("backup_instance")
    await nightly.look(slot + DAY)
    assert await nightly.slots(instance_id) == {slot: "started", slot + DAY: "started"}


async def test_one_that_stays_busy_misses_its_slot(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.hold(instance_id)
    await nightly.look(slot + 12 * HOUR)
    assert await nightly.slots(instance_id) == {}
    await nightly.look(slot + 12 * HOUR + MINUTE)
    assert await nightly.slots(instance_id) == {slot: "missed"}
    shown = await nightly.shown(instance_id)
    assert (shown["last_status"], shown["last_run_at"]) == ("missed", None)
    (event,) = await nightly.events("backup.missed")
    assert (event["slot_at"], event["slots"]) == (slot.strftime("%Y-%m-%dT%H:%M:%SZ"), 1)
    await nightly.look(slot + 12 * HOUR + 2 * MINUTE)
    assert len(await nightly.events("backup.missed")) == 1


async def test_after_an_outage_only_the_latest_slot_runs(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.look(slot + 3 * DAY + HOUR)
    slots = [slot + number * DAY for number in range(4)]
    assert await nightly.slots(instance_id) == dict(zip(slots, ["missed"] * 3 + ["started"], strict=True))
    (event,) = await nightly.events("backup.missed")
    assert (event["slot_at"], event["slots"]) == (slots[2].strftime("%Y-%m-%dT%H:%M:%SZ"), 3)
    assert await nightly.run("select actor from events where kind = 'backup.missed'") == [("system",)]


async def test_an_instance_that_is_not_ready_waits(nightly: Scheduled) -> None:
    (instance_id,) = nightly.instances
    await nightly.run("update instances set status = 'creating' where id = %s", instance_id)
    await nightly.look()
    assert await nightly.slots(instance_id) == {}
    await nightly.run("update instances set status = 'rented' where id = %s", instance_id)
    await nightly.look()
    assert list((await nightly.slots(instance_id)).values()) == ["started"]


async def test_where_there_is_no_backup_storage_it_says_so(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.run("update hosts set backup_storage = null")
    await nightly.look()
    await nightly.look()
    assert await nightly.slots(instance_id) == {slot: "missed"}
    assert await nightly.run("select count(*) from backups") == [(0,)]
    why = "There is no backup storage where this instance is"
    assert (await nightly.shown(instance_id))["last_status"] == f"failed: {why}"
    (event,) = await nightly.events("backup.failed")
    assert (event["message"], event["scheduled"]) == (why, True)


async def test_a_clock_that_is_put_back_runs_no_slot_twice(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.look()
    await nightly.end("backup_instance")
    nightly.clock.at = slot - HOUR
    await nightly.schedule(instance_id, Rhythm("daily", 4))
    await nightly.schedule(instance_id, NIGHTLY)
    await nightly.look(slot)
    assert await nightly.slots(instance_id) == {slot: "started"}
    assert await nightly.run("select count(*) from backups") == [(1,)]
    await nightly.look(slot + DAY)
    assert await nightly.slots(instance_id) == {slot: "started", slot + DAY: "started"}


async def test_slots_are_remembered_for_more_than_a_year(nightly: Scheduled) -> None:
    slot = nightly.clock.at
    (instance_id,) = nightly.instances
    await nightly.look()
    for days, kept in ((400, 1), (401, 0)):
        nightly.clock.at = slot + days * DAY
        await job.forget_old_slots(nightly.cloud.parts.pool, nightly.clock)
        assert len(await nightly.slots(instance_id)) == kept


async def test_many_workers_make_one_backup_a_slot_though_some_die(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that die do so with everything done but the commit."""
    calls = 0

    async def dying(tx: Tx, *arguments: Any, **more: Any) -> tuple[UUID, UUID]:
        nonlocal calls
        calls += 1
        made = await request_backup(tx, *arguments, **more)
        if calls % 3 == 0:
            await tx.execute("select pg_terminate_backend(pg_backend_pid())")
        return made

    monkeypatch.setattr(job, "request_backup", dying)
    instances = [await scheduled.instance() for _ in range(12)]
    for instance_id in instances:
        await scheduled.schedule(instance_id, NIGHTLY)
    slot = scheduled.clock.at = next_slot(NIGHTLY, scheduled.clock.at)
    async with AsyncExitStack() as stack:
        url = scheduled.cloud.settings.database_url
        pools = [await stack.enter_async_context(connect(url, size=2, idle_seconds=10)) for _ in range(WORKERS)]
        for _ in range(20):
            jobs = (job.run_schedules(pool, scheduled.clock) for pool in pools)
            await asyncio.gather(*jobs, return_exceptions=True)
    assert calls > len(instances), "some died"
    for instance_id in instances:
        assert await scheduled.slots(instance_id) == {slot: "started"}
    made = "select count(*), count(distinct instance_id) from {} where requested_at is not null"
    assert await scheduled.run(made.format("backups")) == [(len(instances), len(instances))]
    queued = await scheduled.run(
        """select count(*), count(distinct t.backup_id) from tasks t join absurd.t_operations o
             on o.params->>'task_id' = t.id::text where t.operation = 'backup_instance'"""
    )
    assert queued == [(len(instances), len(instances))]


async def test_one_that_somebody_holds_keeps_nobody_waiting(scheduled: Scheduled) -> None:
    held, free = await scheduled.instance(), await scheduled.instance()
    for instance_id in (held, free):
        await scheduled.schedule(instance_id, NIGHTLY)
    slot = next_slot(NIGHTLY, scheduled.clock.at)
    async with transaction(scheduled.cloud.parts.pool) as tx:
        await tx.execute("select from instances where id = %s for update", (held,))
        async with asyncio.timeout(10):
            await scheduled.look(slot)
        assert (await scheduled.slots(held), await scheduled.slots(free)) == ({}, {slot: "started"})
    await scheduled.look(slot + MINUTE)
    assert await scheduled.slots(held) == {slot: "started"}


async def test_one_that_fails_keeps_nobody_from_theirs(
    scheduled: Scheduled, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = await scheduled.instance(), await scheduled.instance()
    for instance_id in (first, second):
        await scheduled.schedule(instance_id, NIGHTLY)
    stumbled = False

    async def stumbling(*arguments: Any, **more: Any) -> tuple[UUID, UUID]:
        nonlocal stumbled
        if not stumbled:
            stumbled = True
            raise ZeroDivisionError
        return await request_backup(*arguments, **more)

    monkeypatch.setattr(job, "request_backup", stumbling)
    slot = next_slot(NIGHTLY, scheduled.clock.at)
    with caplog.at_level(logging.CRITICAL, "bluelobster"):
        await scheduled.look(slot)
    assert sorted([await scheduled.slots(first), await scheduled.slots(second)], key=len) == [{}, {slot: "started"}]
    await scheduled.look(slot + MINUTE)
    assert await scheduled.slots(first) == await scheduled.slots(second) == {slot: "started"}
