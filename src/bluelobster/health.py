"""Health: whether the service and its parts work. It takes no key and tells nothing else."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from bluelobster.access.route import admission_of, clock_of, pool_of
from bluelobster.clock import Clock, rfc3339
from bluelobster.db.clocks import WRONG, wrong_by
from bluelobster.db.pool import Pool
from bluelobster.http.rates import Rates
from bluelobster.http.shared_rates import SharedRates

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/v1", tags=["HEALTH"])

Part = Literal["operational", "degraded", "unavailable", "disabled"]
STALE = timedelta(seconds=60)
DATABASE_SECONDS = 3.0


@router.get("/health", summary="Health of the service")
async def health_check(request: Request) -> Any:
    """`healthy`, `degraded` where a part is impaired, `unhealthy` (503) where nothing works without it."""
    clock = clock_of(request)
    now = clock.now()
    api, database, hypervisors = await look(pool_of(request), clock)
    parts: dict[str, Part] = {
        "api": api,
        "redis": await look_at_redis(admission_of(request).rates),
        "postgresql": database,
        "proxmox": hypervisors,
    }
    if database == "unavailable":
        status = "unhealthy"
    else:
        status = "degraded" if {"degraded", "unavailable"} & set(parts.values()) else "healthy"
    answer = {"status": status, "timestamp": rfc3339(now), "components": parts}
    return JSONResponse(answer, status_code=503 if status == "unhealthy" else 200)


async def look_at_redis(rates: Rates) -> Part:
    """Without it each process limits requests by itself, and everything else works."""
    if not isinstance(rates, SharedRates):
        return "disabled"
    return "operational" if await rates.answers() else "degraded"


async def look(pool: Pool, clock: Clock) -> tuple[Part, Part, Part]:
    """What was found out, at once where the database takes a connection and then says nothing: whoever asks waits."""
    asking = asyncio.create_task(ask(pool, clock))
    done, _ = await asyncio.wait({asking}, timeout=DATABASE_SECONDS)
    if done:
        return asking.result()
    asking.cancel()
    return "operational", "unavailable", "unavailable"


async def ask(pool: Pool, clock: Clock) -> tuple[Part, Part, Part]:
    """This process by its clock, the database by whether it answers and writes, and the hosts by when they last
    answered a worker."""
    try:
        async with pool.connection(timeout=2) as connection:
            ahead = await wrong_by(connection, clock)
            cursor = await connection.execute(
                "select count(*), count(*) filter (where seen_at > %s) from hosts"
                " where status not in ('offline', 'maintenance')",
                (clock.now() - STALE,),
            )
            row = await cursor.fetchone()
    except (OperationalError, PoolTimeout):
        return "operational", "unavailable", "unavailable"
    database: Part = "degraded" if pool.refuses_to_write else "operational"
    if ahead:
        log.error(f"requests are answered with a wrong time: {WRONG}", ahead.total_seconds())
    api: Part = "degraded" if ahead else "operational"
    hosts, answering = row or (0, 0)
    if hosts == 0:
        return api, database, "disabled"
    if answering == hosts:
        return api, database, "operational"
    return api, database, "degraded" if answering else "unavailable"
