"""Somebody else's transaction in the way, and those who wait for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, LiteralString

import psycopg

from cloud import TestCloud, eventually

WAITING = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@asynccontextmanager
async def holding(cloud: TestCloud, query: LiteralString, *values: Any) -> AsyncIterator[None]:
    """A transaction that keeps what a query locked until the end of the block, and comes to nothing."""
    async with await psycopg.AsyncConnection.connect(cloud.settings.database_url) as other:
        await other.execute(query, values)
        yield
        await other.rollback()


async def so_many_wait(cloud: TestCloud, number: int = 1) -> None:
    """Until so many transactions wait for others."""

    async def look() -> bool:
        return bool(await cloud.one(WAITING) >= number)

    await eventually(look)
