"""Lists of very many: a page out of 10,000 beside one out of 100."""

import json
import time
from uuid import UUID

from yarl import URL

from bench.cloud import Cloud, new_account
from bench.report import Line, percentile

PAGE = 100
REPEATS = 60
MANY = 10_000


async def measure(cloud: Cloud) -> list[Line]:
    """Median time of a page of 100, out of 100 and out of 10,000: the first, and one from the middle."""
    few, few_key = await new_account(cloud.pool, "few")
    many, many_key = await new_account(cloud.pool, "many")
    await fill(cloud, few, PAGE)
    await fill(cloud, many, MANY)
    middle = await cursor_after(cloud, many_key, MANY // 2)
    paths = {
        "out of 100": (f"/instances?limit={PAGE}", few_key),
        "first out of 10,000": (f"/instances?limit={PAGE}", many_key),
        "middle out of 10,000": (middle, many_key),
    }
    times: dict[str, list[float]] = {name: [] for name in paths}
    for _ in range(REPEATS):
        for name, (path, key) in paths.items():
            begun = time.perf_counter()
            status, body = await cloud.get(path, key)
            times[name].append((time.perf_counter() - begun) * 1000)
            if status != 200 or len(json.loads(body)) != PAGE:
                raise RuntimeError(f"{path}: {status}")
    medians = {name: percentile(values, 0.5) for name, values in times.items()}
    small = medians["out of 100"]
    return [
        *(Line(f"page of 100, {name}", value, "ms") for name, value in medians.items()),
        Line("first out of 10,000: times as long as out of 100", medians["first out of 10,000"] / small, "", 1.25),
        Line("middle out of 10,000: times as long as out of 100", medians["middle out of 10,000"] / small, "", 1.25),
    ]


async def fill(cloud: Cloud, account_id: UUID, count: int) -> None:
    """Machines that exist in the records only."""
    async with cloud.pool.connection() as connection:
        await connection.execute(
            """insert into instances (id, account_id, name, metadata, region, host_id, instance_type, template, vcpus,
                                      memory_gb, disk_gb, price_cents_per_hour, username, status, power_status,
                                      created_at, updated_at)
               select gen_random_uuid(), %s, 'machine-' || n, '{"project": "bench", "owner": "jane"}', 'us-east-1',
                      'archive', 'v1_cpu_small', 'TINY-LINUX', 2, 8, 250, 10, 'bench', 'rented', 'stopped',
                      now() - n * interval '1 second', now()
               from generate_series(1, %s) n""",
            (account_id, count),
        )
        await connection.execute("analyze instances")


async def cursor_after(cloud: Cloud, key: str, count: int) -> str:
    """The path of the page that begins after `count` machines, by following the links."""
    path = f"/instances?limit={PAGE}"
    for _ in range(count // PAGE):
        async with cloud.session.get(f"{cloud.url}{path}", headers={"X-API-Key": key}) as answer:
            await answer.read()
            path = f"/instances?{URL(answer.links['next']['url']).query_string}"
    return path
