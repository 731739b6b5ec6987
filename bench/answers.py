"""What an answer costs the API's processor, beside a bare application that returns the same bytes."""

import json
from datetime import UTC, datetime

from bench.cloud import Cloud, free_port, new_account
from bench.pages import fill
from bench.processes import Process, started
from bench.report import Line

ROUNDS = 5
REQUESTS = 200


async def measure(cloud: Cloud) -> list[Line]:
    """CPU a request of listing 200 instances and of polling a task."""
    account_id, key = await new_account(cloud.pool, "two-hundred")
    await fill(cloud, account_id, 200)
    task = await cloud.launch(cloud.key)
    paths = {"list of 200 instances": ("/instances", key, 5.0), "poll of a task": (f"/tasks/{task}", cloud.key, 1.5)}
    bodies = {f"/api/v1{path}": (await cloud.get(path, key))[1].decode() for path, key, _ in paths.values()}
    file = cloud.folder / "bodies.json"
    file.write_text(json.dumps(bodies))
    port = free_port()
    environment = {"BENCH_BODIES": str(file), "BENCH_PORT": str(port)}
    lines = []
    async with started("bench.bare", environment=environment) as bare:
        yardstick = f"http://127.0.0.1:{port}/api/v1"
        await answers(cloud, yardstick, next(iter(bodies)).removeprefix("/api/v1"))
        for name, (path, key, goal) in paths.items():
            ours = theirs = 0.0
            for _ in range(ROUNDS):
                ours += await cost(cloud, cloud.api, cloud.url, path, key)
                theirs += await cost(cloud, bare, yardstick, path, key)
            mine, other = ours / ROUNDS, theirs / ROUNDS
            lines += [
                Line(f"{name}: CPU of the API", mine, "ms", goal),
                Line(f"{name}: bare Starlette, same bytes", other, "ms"),
                Line(f"{name}: times as much", mine / other, ""),
            ]
    return lines


async def answers(cloud: Cloud, url: str, path: str) -> None:
    started_at = datetime.now(UTC)
    while (datetime.now(UTC) - started_at).total_seconds() < 20:
        try:
            async with cloud.session.get(f"{url}{path}") as answer:
                await answer.read()
                return
        except OSError:
            continue
    raise TimeoutError("the yardstick does not answer")


async def cost(cloud: Cloud, process: Process, url: str, path: str, key: str) -> float:
    """Milliseconds of CPU a request."""
    before = process.cpu_seconds
    for _ in range(REQUESTS):
        async with cloud.session.get(f"{url}{path}", headers={"X-API-Key": key}) as answer:
            await answer.read()
            answer.raise_for_status()
    return (process.cpu_seconds - before) / REQUESTS * 1000
