"""Launches by 50 callers at once on instant guests, with one worker: how soon each is answered, how many are done."""

import asyncio
import time

from bench.cloud import Cloud
from bench.report import Line, percentile

CALLERS = 50
LAUNCHES = 600


async def measure(cloud: Cloud) -> list[Line]:
    """p50 and p99 of the answers, and launches completed a second from the first request to the last completion."""
    for _ in range(CALLERS):
        await cloud.launch()
    await all_ended(cloud)
    left = iter(range(LAUNCHES))
    times: list[float] = []

    async def caller() -> None:
        for _ in left:
            begun = time.perf_counter()
            await cloud.launch()
            times.append((time.perf_counter() - begun) * 1000)

    cpu, begun = cloud.worker.cpu_seconds, time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    accepted = time.perf_counter() - begun
    failed = await all_ended(cloud)
    seconds = time.perf_counter() - begun
    return [
        Line("launch answer under 50 callers, p50", percentile(times, 0.5), "ms"),
        Line("launch answer under 50 callers, p99", percentile(times, 0.99), "ms", 100),
        Line("launches accepted a second", LAUNCHES / accepted, "/s"),
        Line("launches completed a second, one worker", LAUNCHES / seconds, "/s", 60, most=False),
        Line("launches that failed", failed, "", 0),
        Line("CPU of the worker a launch", (cloud.worker.cpu_seconds - cpu) / LAUNCHES * 1000, "ms"),
    ]


async def all_ended(cloud: Cloud) -> int:
    """Wait until no task is left; how many failed."""
    async with asyncio.timeout(300), cloud.pool.connection() as connection:
        while True:
            cursor = await connection.execute(
                "select count(*) filter (where ended_at is null), count(*) filter (where status = 'FAILED') from tasks"
            )
            row = await cursor.fetchone()
            if row is not None and row[0] == 0:
                return int(row[1])
            await asyncio.sleep(0.05)
