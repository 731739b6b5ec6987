"""Connections come back, whatever becomes of whoever had them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bluelobster.db.pool import Pool, connect

SECONDS = 5


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """With one connection."""
    async with connect(database, size=1, idle_seconds=10) as pool:
        yield pool


async def test_who_is_cancelled_gives_it_to_who_waits(pool: Pool) -> None:
    """At each moment of giving it back, and before."""
    for moment in range(12):
        enough = asyncio.Event()

        async def hold(until: asyncio.Event) -> None:
            async with pool.connection():
                await until.wait()

        async def use() -> int:
            async with pool.connection() as connection:
                return connection.info.backend_pid

        holding = asyncio.create_task(hold(enough))
        await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            waiting = asyncio.create_task(use())
            enough.set()
            for _ in range(moment):
                await asyncio.sleep(0)
            holding.cancel()
            await asyncio.wait([holding])
            assert await waiting
        assert pool.get_stats()["pool_available"] == 1
