"""Launches by 50 callers at once on instant guests, with one worker: how soon each is answered, how many are done."""

import asyncio
import json
import random
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field

from bench.cloud import Cloud, new_account
from bench.report import Line, percentile
from bluelobster_client.waiting import FIRST_PAUSE, LONGEST_PAUSE, PAUSE_GROWTH

CALLERS = 50
FIRST = 200
LAUNCHES = 1000
# A disk that stalls for a tenth of a second decides one of them, and is not what is measured.
ROUNDS = 3
FLOOD = 500


@dataclass
class Callers:
    """What 50 callers share: the launches that are left to make, and how long each answer took, in milliseconds."""

    cloud: Cloud
    left: Iterator[int]
    times: list[float] = field(default_factory=list)

    async def launch(self, key: str) -> str:
        begun = time.perf_counter()
        task_id = await self.cloud.launch(key)
        self.times.append((time.perf_counter() - begun) * 1000)
        return task_id

    async def patient(self, key: str) -> None:
        """Launches, asks for the task as our client does until the machine is ready, and then launches the next."""
        await asyncio.sleep(random.uniform(0, FIRST_PAUSE))  # noqa: S311
        for _ in self.left:
            await ended(self.cloud, await self.launch(key), key)

    async def impatient(self, key: str) -> None:
        """Launches the next as soon as one was accepted."""
        for _ in self.left:
            await self.launch(key)


@dataclass(frozen=True)
class Load:
    """What so many launches took. `times` are those of their answers in milliseconds, the CPU times those a launch."""

    times: list[float]
    a_second: float
    api_cpu: float
    worker_cpu: float


async def measure(cloud: Cloud) -> list[Line]:
    """p50 and p99 of the answers, and launches completed a second from the first request to the last completion."""
    keys = [(await new_account(cloud.pool, f"caller-{number}"))[1] for number in range(CALLERS)]
    await under(cloud, Callers.patient, FIRST, keys)
    rounds = [await under(cloud, Callers.patient, LAUNCHES, keys) for _ in range(ROUNDS)]
    load, worst = sorted(rounds, key=lambda each: percentile(each.times, 0.99))[ROUNDS // 2 :: ROUNDS // 2]
    alone = await under(cloud, Callers.patient, LAUNCHES, keys[:1])
    flood = await under(cloud, Callers.impatient, FLOOD, keys)
    return [
        Line("launch answer, 50 callers that wait for their machines, p50", percentile(load.times, 0.5), "ms"),
        Line("launch answer, 50 callers that wait for their machines, p99", percentile(load.times, 0.99), "ms", 100),
        Line("the same in the worst of three rounds, p99", percentile(worst.times, 0.99), "ms"),
        Line("launches completed a second, one worker", load.a_second, "/s", 60, most=False),
        Line("the same with one account: answer, p50", percentile(alone.times, 0.5), "ms"),
        Line("the same with one account: answer, p99", percentile(alone.times, 0.99), "ms"),
        Line("the same with one account: launches completed a second", alone.a_second, "/s"),
        Line("CPU of the API a launch, with the questions about it", load.api_cpu, "ms"),
        Line("CPU of the worker a launch", load.worker_cpu, "ms"),
        Line("overload, 50 callers without a pause: answer, p50", percentile(flood.times, 0.5), "ms"),
        Line("overload, 50 callers without a pause: answer, p99", percentile(flood.times, 0.99), "ms"),
        Line("overload: launches completed a second", flood.a_second, "/s"),
        Line("launches that failed", await failures(cloud), "", 0),
    ]


async def under(
    cloud: Cloud, caller: Callable[[Callers, str], Coroutine[None, None, None]], launches: int, keys: Sequence[str]
) -> Load:
    """So many launches by 50 callers of a kind, until the last is completed. Callers share accounts where there
    are fewer keys."""
    callers = Callers(cloud, iter(range(launches)))
    api, worker, begun = cloud.api.cpu_seconds, cloud.worker.cpu_seconds, time.perf_counter()
    await asyncio.gather(*(caller(callers, keys[number % len(keys)]) for number in range(CALLERS)))
    await all_ended(cloud)
    return Load(
        callers.times,
        launches / (time.perf_counter() - begun),
        (cloud.api.cpu_seconds - api) / launches * 1000,
        (cloud.worker.cpu_seconds - worker) / launches * 1000,
    )


async def ended(cloud: Cloud, task_id: str, key: str) -> None:
    """Ask for a task until it ended, as often as our client does."""
    pause = FIRST_PAUSE
    while json.loads((await cloud.get(f"/tasks/{task_id}", key))[1])["status"] not in ("COMPLETED", "FAILED"):
        await asyncio.sleep(pause)
        pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE)


async def all_ended(cloud: Cloud) -> None:
    """Wait until no task is left."""
    async with asyncio.timeout(300):
        while await count(cloud, "ended_at is null"):
            await asyncio.sleep(0.05)


async def failures(cloud: Cloud) -> int:
    return await count(cloud, "status = 'FAILED'")


async def count(cloud: Cloud, condition: str) -> int:
    async with cloud.pool.connection() as connection:
        cursor = await connection.execute(f"select count(*) from tasks where {condition}")
        row = await cursor.fetchone()
        return int(row[0]) if row else 0
