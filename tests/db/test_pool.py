"""Connections come back, whatever becomes of whoever had them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from bluelobster.db.pool import Pool, connect, watchful
from cloud import eventually

SECONDS = 5
SIZE = 4
END_ALL = "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = any(%s)"


@pytest.fixture
async def pool(database: str) -> AsyncIterator[Pool]:
    """With one connection."""
    async with connect(database, size=1, idle_seconds=10) as pool:
        yield pool


async def used(pool: Pool) -> int:
    async with pool.connection() as connection:
        return connection.info.backend_pid


async def test_who_is_cancelled_gives_it_to_who_waits(pool: Pool) -> None:
    """At each moment of giving it back, and before."""

    async def hold(until: asyncio.Event) -> None:
        async with pool.connection():
            await until.wait()

    for moment in range(12):
        enough = asyncio.Event()
        holding = asyncio.create_task(hold(enough))
        await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            waiting = asyncio.create_task(used(pool))
            enough.set()
            for _ in range(moment):
                await asyncio.sleep(0)
            holding.cancel()
            await asyncio.wait([holding])
            assert await waiting
        assert pool.get_stats()["pool_available"] == 1


@pytest.mark.own_database
async def test_a_server_that_was_away_fails_one_request_and_not_one_for_each_connection(database: str) -> None:
    async with connect(database, size=SIZE, idle_seconds=10) as pool:
        async with AsyncExitStack() as stack:
            pids = [(await stack.enter_async_context(pool.connection())).info.backend_pid for _ in range(SIZE)]
        with psycopg.connect(database) as other:
            other.execute(END_ALL, (pids,))
        failed = 0
        for _ in range(2 * SIZE):
            try:
                async with asyncio.timeout(SECONDS), pool.connection() as connection:
                    await connection.execute("select 1")
            except psycopg.OperationalError:
                failed += 1
        assert failed == 1


def test_what_the_operator_says_of_connections_counts() -> None:
    assert watchful("postgresql://db/x?connect_timeout=60&keepalives_idle=7").keys() == {
        "tcp_user_timeout",
        "keepalives_interval",
        "keepalives_count",
    }


async def test_a_server_that_comes_late_is_found(
    database: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    late = tmp_path / "socket"

    async def has_given_up() -> bool:
        return caplog.text.count("reconnection attempt in pool") >= 2

    async def use() -> int:
        async with connect(make_conninfo(database, host=str(late)), size=1, idle_seconds=10) as pool:
            return await used(pool)

    using = asyncio.create_task(use())
    await eventually(has_given_up)
    late.symlink_to(str(conninfo_to_dict(database)["host"]))
    async with asyncio.timeout(SECONDS):
        assert await using
