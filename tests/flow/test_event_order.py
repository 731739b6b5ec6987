"""Who has read up to an event has missed nothing before it, in whatever order transactions commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random
from uuid import UUID

import pytest

from bluelobster.db.pool import Pool, Tx, connect, transaction
from bluelobster.events.housekeeping import put_events_in_order
from bluelobster.events.record import record_instance
from cloud import TestCloud
from event_streams import listening
from served import served

WRITERS = 8
READERS = 4
EVENTS = 20


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
    before = (await idle_cloud.customer.get("/events?stream=false")).json()["next"]
    async with transaction(writers) as late:
        await write(late, idle_cloud, instance_id, 1)
        async with transaction(writers) as early:
            await write(early, idle_cloud, instance_id, 2)
        first = (await idle_cloud.customer.get(f"/events?stream=false&after={before}")).json()
        assert [each["data"]["mark"] for each in first["events"]] == [2]
    second = (await idle_cloud.customer.get(f"/events?stream=false&after={first['next']}")).json()
    assert [each["data"]["mark"] for each in second["events"]] == [1]


@pytest.mark.parametrize("seed", range(2))
async def test_nothing_is_missed_and_nothing_comes_twice(idle_cloud: TestCloud, writers: Pool, seed: int) -> None:
    instance_id = UUID((await idle_cloud.launch())["vm_uuid"])
    start = (await idle_cloud.customer.get("/events?stream=false")).json()["next"]
    written: set[int] = set()

    async def writer(number: int) -> None:
        chance = Random(seed * 1000 + number)  # noqa: S311
        for turn in range(EVENTS):
            mark = number * EVENTS + turn
            try:
                async with transaction(writers) as tx:
                    await write(tx, idle_cloud, instance_id, mark)
                    await asyncio.sleep(chance.choice((0, 0.001, 0.005, 0.02)))
                    if chance.random() < 0.1:
                        raise Undone
            except Undone:
                continue
            written.add(mark)

    async def orderer() -> None:
        while True:
            await put_events_in_order(writers)
            await asyncio.sleep(0.003)

    async def reader(url: str, number: int, done: asyncio.Event) -> list[int]:
        """Reads a few events, breaks off, and goes on where it was, as a stream or by pages."""
        chance = Random(-seed * 1000 - number)  # noqa: S311
        marks: list[int] = []
        last = start
        while not (done.is_set() and len(marks) >= len(written)):
            if chance.random() < 0.5:
                limit = chance.choice((1, 7, 50))
                answer = await idle_cloud.customer.get(f"/events?stream=false&after={last}&limit={limit}")
                page = answer.json()
                marks += [each["data"]["mark"] for each in page["events"]]
                last = page["next"]
                continue
            async with listening(url, idle_cloud.key, last_id=str(last)) as events:
                for _ in range(chance.randrange(8)):
                    if done.is_set() and len(marks) >= len(written):
                        break
                    event = await events.next()
                    assert event is not None
                    marks.append(event["data"]["mark"])
                    last = event["id"]
        return marks

    async with served(idle_cloud.app) as api, AsyncExitStack() as stack, asyncio.timeout(60):
        ordering = asyncio.create_task(orderer())
        stack.callback(ordering.cancel)
        done = asyncio.Event()
        reading = [asyncio.create_task(reader(api.url, number, done)) for number in range(READERS)]
        await asyncio.gather(*(writer(number) for number in range(WRITERS)))
        done.set()
        for marks in await asyncio.gather(*reading):
            assert len(marks) == len(set(marks))
            assert set(marks) == written
            for one in range(WRITERS):
                of_one = [mark for mark in marks if mark // EVENTS == one]
                assert of_one == sorted(of_one)
