"""How many requests a caller may make, alone and together with others, with Redis and without."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import pytest

from bluelobster.access.admission import origin_of
from bluelobster.app import attach, create_app
from bluelobster.http import shared_rates
from bluelobster.http.rates import MANY, MemoryRates, Rate
from bluelobster.parts import assembled
from bluelobster.settings import Settings
from cloud import TestCloud, api_client, eventually, running_cloud
from faults.victim import end
from forks import processes
from redis_server import PROGRAM, RedisServer

needs_redis = pytest.mark.skipif(PROGRAM is None, reason="redis-tools is not installed")
# On a busy machine even a Redis that is there may take its time.
PATIENT = 10.0
SLOW = Rate(per_second=10, burst=3)
# No test takes the 100 s in which one of these comes back.
FEW: dict[str, Any] = {
    "rate_per_second": 0.01,
    "rate_burst": 5,
    "stranger_rate_per_second": 0.01,
    "stranger_rate_burst": 3,
}


class Watch:
    """Seconds that a test says."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def statuses(client: httpx.AsyncClient, count: int) -> list[int]:
    return [(await client.get("/tasks")).status_code for _ in range(count)]


async def test_a_burst_and_then_a_steady_rate() -> None:
    watch = Watch()
    memory = MemoryRates(watch)
    taken = [await memory.take("a", SLOW) for _ in range(4)]
    assert [each.granted for each in taken] == [True, True, True, False]
    assert [each.remaining for each in taken] == [2, 1, 0, 0]
    assert taken[2].full_in == pytest.approx(0.3)
    assert taken[3].retry_in == pytest.approx(0.1)
    watch.now += 0.05
    assert not (await memory.take("a", SLOW)).granted
    watch.now += 0.05
    assert (await memory.take("a", SLOW)).granted
    assert not (await memory.take("a", SLOW)).granted
    assert (await memory.take("b", SLOW)).remaining == 2
    watch.now += 60
    assert (await memory.take("a", SLOW)).remaining == 2


async def test_steady_callers_are_never_refused() -> None:
    watch = Watch()
    memory = MemoryRates(watch)
    for _ in range(1000):
        assert (await memory.take("a", Rate(20, 1))).granted
        watch.now += 0.05


async def test_buckets_that_are_full_are_forgotten() -> None:
    watch = Watch()
    memory = MemoryRates(watch)
    for number in range(3 * MANY):
        watch.now += 0.01
        await memory.take(str(number), SLOW)
    assert len(memory) <= MANY + 1


async def test_counting_costs_next_to_nothing() -> None:
    memory = MemoryRates()
    began = time.process_time()
    for _ in range(10_000):
        await memory.take("a", SLOW)
    assert (time.process_time() - began) / 10_000 < 0.0001


@pytest.fixture
async def limited(database: str, tmp_path: Path) -> AsyncIterator[TestCloud]:
    async with running_cloud(database, tmp_path, worker=False, **FEW) as running:
        yield running


async def test_every_answer_tells_what_is_left(limited: TestCloud) -> None:
    first = await limited.customer.get("/tasks")
    assert {name: first.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")} == {
        "Limit": "5",
        "Remaining": "4",
        "Reset": "100",
    }
    assert "Retry-After" not in first.headers
    missing = await limited.customer.get("/tasks/no-such")
    assert (missing.status_code, missing.headers["RateLimit-Remaining"]) == (404, "3")


async def test_beyond_the_limit_the_answer_says_when(limited: TestCloud) -> None:
    assert await statuses(limited.customer, 5) == [200] * 5
    refused = await limited.customer.post("/instances/launch-instance", content=b"{not json")
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limit_exceeded")
    assert refused.json()["message"]
    assert 95 <= int(refused.headers["Retry-After"]) <= 100
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert refused.headers["X-Request-Id"]


async def test_each_key_has_a_limit_of_its_own(limited: TestCloud) -> None:
    assert await statuses(limited.customer, 7) == [200] * 5 + [429] * 2
    assert await statuses(limited.stranger, 5) == [200] * 5


async def test_health_is_not_limited(limited: TestCloud) -> None:
    nobody = api_client(limited.app, None)
    answers = [await nobody.get("/health") for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit-Limit" not in answers[0].headers
    assert answers[0].json()["components"]["redis"] == "disabled"


async def test_keys_cannot_be_guessed_for_long(limited: TestCloud) -> None:
    for attempt in range(6):
        guess = await api_client(limited.app, f"bl_aaaaaaaa_{attempt:040}").get("/tasks")
        assert guess.status_code == (401 if attempt < 3 else 429)
        assert guess.headers["RateLimit-Limit"] == "3"
    assert int(guess.headers["Retry-After"]) > 90
    assert (await api_client(limited.app, None).get("/tasks")).status_code == 429


async def test_not_even_the_right_guess_is_told_from_a_wrong_one(limited: TestCloud) -> None:
    await statuses(api_client(limited.app, None), 4)
    assert (await limited.customer.get("/tasks")).status_code == 429


async def test_who_is_known_is_not_locked_out_by_a_neighbour(limited: TestCloud) -> None:
    assert await statuses(limited.customer, 1) == [200]
    assert await statuses(api_client(limited.app, None), 5) == [401] * 3 + [429] * 2
    assert await statuses(limited.customer, 4) == [200] * 4


async def test_an_address_is_let_in_again(database: str, tmp_path: Path) -> None:
    quick: dict[str, Any] = {"stranger_rate_per_second": 5.0, "stranger_rate_burst": 1}
    async with running_cloud(database, tmp_path, worker=False, **quick) as cloud:
        nobody = api_client(cloud.app, None)
        assert await statuses(nobody, 2) == [401, 429]

        async def let_in() -> bool:
            return (await cloud.customer.get("/tasks")).status_code == 200

        await eventually(let_in, 5)


def test_neighbours_in_an_ipv6_network_are_one() -> None:
    assert origin_of("2001:db8:1:2::3") == origin_of("2001:db8:1:2:ffff::9") == "2001:db8:1:2::/64"
    assert origin_of("2001:db8:1:3::3") != origin_of("2001:db8:1:2::3")
    assert origin_of("::ffff:192.0.2.7") == origin_of("192.0.2.7") == "192.0.2.7"
    assert origin_of("testclient") == "testclient"


# With Redis


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    folder = Path(tempfile.mkdtemp(prefix="redis-"))  # its socket's path may not be long
    server = RedisServer(folder)
    await server.start()
    try:
        yield server
    finally:
        server.end()
        shutil.rmtree(folder)


@needs_redis
async def test_redis_counts_as_memory_does(redis: RedisServer) -> None:
    async with shared_rates.shared_rates(redis.url) as shared:
        rate = Rate(per_second=0.1, burst=3)
        taken = [await shared.take("a", rate) for _ in range(4)]
        assert [each.granted for each in taken] == [True, True, True, False]
        assert [each.remaining for each in taken] == [2, 1, 0, 0]
        assert taken[3].retry_in == pytest.approx(10, abs=1)
        assert (await shared.take("b", rate)).remaining == 2
        quick = Rate(per_second=100, burst=1)

        async def again() -> bool:
            return (await shared.take("c", quick)).granted

        await eventually(again, 2)
        await eventually(again, 2)


@needs_redis
async def test_several_processes_share_one_limit(
    database: str, redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_rates, "ANSWER_SECONDS", PATIENT)
    settings: dict[str, Any] = {"redis_url": redis.url, "rate_per_second": 0.01, "rate_burst": 50}
    async with running_cloud(database, tmp_path, worker=False, **settings) as cloud:
        others = [start_api(cloud.settings, cloud.key, 30) for _ in range(2)]
        try:
            here = await statuses(cloud.customer, 30)
            there = [await asyncio.to_thread(pipe.recv) for _, pipe in others]
        finally:
            for process, pipe in others:
                end(process)
                pipe.close()
        answers = [*here, *there[0], *there[1]]
        assert answers.count(200) == 50
        assert answers.count(429) == 40


def start_api(settings: Settings, key: str, count: int) -> tuple[Any, Connection]:
    """Another API process, which makes requests to itself and tells their statuses."""
    receiver, sender = processes.Pipe(duplex=False)
    values = {**settings.model_dump(), "secret_key": settings.key_text(), "redis_url": text(settings)}
    process = processes.Process(target=make_requests, args=(values, key, count, sender))
    process.start()
    sender.close()
    return process, receiver


def text(settings: Settings) -> str | None:
    return settings.redis_url.get_secret_value() if settings.redis_url else None


def make_requests(values: dict[str, Any], key: str, count: int, sender: Connection) -> None:
    shared_rates.ANSWER_SECONDS = PATIENT

    async def make() -> list[int]:
        settings = Settings.model_validate(values)
        app = create_app(settings)
        async with assembled(settings) as parts:
            attach(app, parts)
            return await statuses(api_client(app, key), count)

    sender.send(asyncio.run(make()))


async def redis_is(cloud: TestCloud, state: str) -> bool:
    answer = (await cloud.customer.get("/health")).json()
    return bool(answer["components"]["redis"] == state)


@needs_redis
async def test_when_redis_goes_away_limits_go_on(database: str, redis: RedisServer, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path, worker=False, **FEW, redis_url=redis.url) as cloud:
        assert await redis_is(cloud, "operational")
        assert await statuses(cloud.customer, 6) == [200] * 5 + [429]

        redis.end()
        # Nobody can know what was counted before; from now on this process counts by itself.
        assert await statuses(cloud.customer, 6) == [200] * 5 + [429]
        health = (await cloud.customer.get("/health")).json()
        assert (health["status"], health["components"]["redis"]) == ("degraded", "degraded")

        await redis.start()
        await eventually(lambda: redis_is(cloud, "operational"))
        assert await statuses(cloud.customer, 6) == [200] * 5 + [429]


@needs_redis
async def test_a_redis_that_hangs_delays_hardly_anybody(database: str, redis: RedisServer, tmp_path: Path) -> None:
    async with running_cloud(database, tmp_path, worker=False, redis_url=redis.url) as cloud:
        assert await statuses(cloud.customer, 1) == [200]
        with redis.frozen():
            began = time.monotonic()
            assert await statuses(cloud.customer, 50) == [200] * 50
            assert time.monotonic() - began < 50 * 0.05
            assert await redis_is(cloud, "degraded")

        async def counted_together() -> bool:
            await cloud.customer.get("/tasks")
            return await redis_is(cloud, "operational")

        await eventually(counted_together)


@pytest.mark.parametrize("url", ["http://127.0.0.1", "localhost:6379", ""])
def test_what_is_no_redis_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="must begin with redis://"):
        Settings(database_url="postgresql://nowhere", redis_url=url)
