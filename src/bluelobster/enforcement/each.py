"""Do something to each of many, each in a transaction of its own."""

import logging
from collections.abc import Awaitable, Callable
from typing import LiteralString
from uuid import UUID

from psycopg import OperationalError

from bluelobster.db.pool import Pool, Tx, transaction

log = logging.getLogger(__name__)


async def for_each(pool: Pool, which: LiteralString, act: Callable[[Tx, UUID], Awaitable[None]]) -> None:
    """Let `act` have each id that `which` finds. One that fails is logged, and found again by the next run."""
    async with pool.connection() as connection:
        found = await (await connection.execute(which)).fetchall()
    for (each,) in found:
        try:
            async with transaction(pool) as tx:
                await act(tx, each)
        except OperationalError:
            raise
        except Exception:
            log.exception("%s failed for %s; it is tried again", act.__name__, each)
