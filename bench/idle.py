"""What it takes to do nothing: memory, and queries a second."""

import asyncio

from bench.cloud import Cloud
from bench.report import Line

SECONDS = 20


async def measure(cloud: Cloud) -> list[Line]:
    """With one API and one worker that nobody asks for anything, and one host that is looked at every 5 s."""
    before = await transactions(cloud)
    busy = cloud.api.cpu_seconds + cloud.worker.cpu_seconds
    await asyncio.sleep(SECONDS)
    queries = await transactions(cloud) - before
    busy = cloud.api.cpu_seconds + cloud.worker.cpu_seconds - busy
    return [
        Line("memory of the API", cloud.api.memory_mb, "MB"),
        Line("memory of the worker", cloud.worker.memory_mb, "MB"),
        Line("idle: transactions a second", queries / SECONDS, "/s"),
        Line("idle: CPU of API and worker", busy / SECONDS * 100, "%"),
    ]


async def transactions(cloud: Cloud) -> int:
    """Since the server started, in our database, without those of this measurement."""
    async with cloud.pool.connection() as connection:
        cursor = await connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        )
        row = await cursor.fetchone()
        if row is None:
            raise LookupError("the database does not know itself")
        return int(row[0])
