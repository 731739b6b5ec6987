"""Periodic work: any number of workers may offer to do it, one does."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from bluelobster.clock import Clock, SystemClock
from bluelobster.db.clocks import TOLERATED, WRONG, wrong_by
from bluelobster.db.pool import Pool

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """Something to do every so many seconds, wherever the slot is won."""

    name: str
    every_seconds: float
    run: Callable[[], Awaitable[None]]


# A slot that is too far away was given by a clock that was wrong.
CLAIM = """
    insert into periodic (job, next_run)
    select %(job)s, %(now)s + %(every)s
    where not %(checked)s or clock_timestamp() between %(now)s - %(tolerated)s and %(now)s + %(tolerated)s
    on conflict (job) do update set next_run = excluded.next_run
    where periodic.next_run <= %(now)s or periodic.next_run > %(now)s + 2 * (%(every)s + %(tolerated)s)"""


async def claim_slot(pool: Pool, name: str, every_seconds: float, clock: Clock) -> bool:
    """Whether this process may do the job now; at most one process hears yes each period. One whose machine has another
    time than the database's never does: it would charge and delete before it is time."""
    now = clock.now()
    values = {
        "job": name,
        "now": now,
        "every": timedelta(seconds=every_seconds),
        "checked": isinstance(clock, SystemClock),
        "tolerated": TOLERATED,
    }
    async with pool.connection() as connection:
        done = await connection.execute(CLAIM, values)
        if done.rowcount == 0 and (ahead := await wrong_by(connection, clock)):
            log.error(f"%s is not done here: {WRONG}", name, ahead.total_seconds())
        return done.rowcount == 1


async def keep_doing(job: Job, pool: Pool, clock: Clock) -> None:
    """Offer to do the job, period after period, whatever happens in one of them."""
    while True:
        try:
            if await claim_slot(pool, job.name, job.every_seconds, clock):
                await job.run()
        except (OperationalError, PoolTimeout) as error:
            log.warning("%s waits for the database: %s", job.name, error)
        except Exception:
            log.exception("%s failed; it is tried again in the next period", job.name)
        await asyncio.sleep(job.every_seconds)
