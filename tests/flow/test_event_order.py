"""Who has read up to an event has missed nothing before it, in whatever order transactions commit."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from uuid import UUID

import pytest
from psycopg import Rollback

from bluelobster.db.pool import Pool, Tx, connect, transaction
from bluelobster.events.housekeeping import put_events_in_order
from bluelobster.events.numbers import number_events
from bluelobster.events.record import record_instance
from cloud import TestCloud
from event_streams import listening, page
from served import served

WRITERS = 8
READERS = 4
EVENTS = 20
LAST = WRITERS * EVENTS


class Undone(Exception):
    """A transaction that came to nothing."""


@pytest.fixture
async def writers(idle_cloud: TestCloud) -> AsyncIterator[Pool]:
    async with connect(idle_cloud.settings.database_url, size=WRITERS + 1, idle_seconds=10) as pool:
        yield pool


async def write(tx: Tx, cloud: TestCloud, instance_id: UUID, mark: int) -> None:
    await record_instance(tx, "instance.power", instance_id, cloud.parts.clock.now(), mark=mark)


async def test_a_transaction_that_commits_late_is_not_missed(idle_cloud: TestCloud, writers: Pool) -> None:
    instance_id = UUID((await idle_cloud.launch())["vm_uuid"])
    before = (await page(idle_cloud.customer))["next"]
    async with transaction(writers) as late:
        await write(late, idle_cloud, instance_id, 1)
        async with transaction(writers) as early:
            await write(early, idle_cloud, instance_id, 2)
        first = await page(idle_cloud.customer, after=before)
        assert [each["data"]["mark"] for each in first["events"]] == [2]
    second = await page(idle_cloud.customer, after=first["next"])
    assert [each["data"]["mark"] for each in second["events"]] == [1]


async def test_numbers_follow_the_events_and_not_the_pages_they_lie_on(writers: Pool) -> None:
    """Where the database believes that there is one event, it looks through the table for each that it numbers."""
    insert = """insert into events (id, account_id, kind, data, actor, created_at) overriding system value
                select id, gen_random_uuid(), 'instance.power', '{}', 'system', now() from unnest(%s::bigint[]) as id"""
    async with transaction(writers) as tx:
        await tx.execute("delete from events")
        await tx.execute(insert, ([1],))
        await tx.execute("analyze events")
        await tx.execute(insert, ([4, 3, 2],))
        await number_events(tx)
        cursor = await tx.execute("select id from events order by number")
        assert await cursor.fetchall() == [(1,), (2,), (3,), (4,)]
        raise Rollback


@dataclass
class History:
    """Writers that take their time to commit, and readers that break off and go on where they were."""

    cloud: TestCloud
    pool: Pool
    instance_id: UUID
    start: int
    seed: int
    written: set[int] = field(default_factory=set)
    over: bool = False

    async def write(self, writer: int) -> None:
        """One writer's events, some of them in transactions that come to nothing."""
        chance = Random(self.seed * 1000 + writer)  # noqa: S311
        for mark in range(writer * EVENTS, (writer + 1) * EVENTS):
            with contextlib.suppress(Undone):
                async with transaction(self.pool) as tx:
                    await write(tx, self.cloud, self.instance_id, mark)
                    await asyncio.sleep(chance.choice((0, 0.001, 0.005, 0.02)))
                    if chance.random() < 0.1:
                        raise Undone
                self.written.add(mark)

    async def end(self) -> None:
        """With an event after which readers know that nothing more comes: one who had all others may be waiting."""
        self.over = True
        self.written.add(LAST)
        async with transaction(self.pool) as tx:
            await write(tx, self.cloud, self.instance_id, LAST)

    async def order(self) -> None:
        """What the worker does now and then, all the time."""
        while True:
            await put_events_in_order(self.pool)
            await asyncio.sleep(0.003)

    def told(self, marks: list[int]) -> bool:
        return self.over and len(marks) >= len(self.written)

    async def read(self, url: str, reader: int) -> list[int]:
        """What one reader is told, by streams and by pages."""
        chance = Random(-self.seed * 1000 - reader)  # noqa: S311
        marks: list[int] = []
        last = self.start
        while not self.told(marks):
            if chance.random() < 0.5:
                last = await self.one_page(last, chance.choice((1, 7, 50)), marks)
            else:
                last = await self.one_stream(url, last, chance.randrange(8), marks)
        return marks

    async def one_page(self, last: int, limit: int, marks: list[int]) -> int:
        found = await page(self.cloud.customer, after=last, limit=limit)
        marks += [each["data"]["mark"] for each in found["events"]]
        return int(found["next"])

    async def one_stream(self, url: str, last: int, number: int, marks: list[int]) -> int:
        async with listening(url, self.cloud.key, last_id=str(last)) as events:
            for _ in range(number):
                if self.told(marks):
                    break
                event = await events.next()
                assert event is not None
                marks.append(event["data"]["mark"])
            return int(events.last_id)


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_missed_and_nothing_comes_twice(idle_cloud: TestCloud, writers: Pool, seed: int) -> None:
    instance_id = UUID((await idle_cloud.launch())["vm_uuid"])
    start = (await page(idle_cloud.customer))["next"]
    history = History(idle_cloud, writers, instance_id, start, seed)
    async with served(idle_cloud.app) as api, asyncio.timeout(60):
        ordering = asyncio.create_task(history.order())
        reading = [asyncio.create_task(history.read(api.url, number)) for number in range(READERS)]
        await asyncio.gather(*(history.write(number) for number in range(WRITERS)))
        await history.end()
        for marks in await asyncio.gather(*reading):
            assert sorted(marks) == sorted(history.written)
            for writer in range(WRITERS):
                of_one = [mark for mark in marks if mark // EVENTS == writer]
                assert of_one == sorted(of_one)
        ordering.cancel()
