"""Do something to each of many, each in a transaction of its own."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import LiteralString
from uuid import UUID

from psycopg import OperationalError

from bluelobster.db.conflicts import CONFLICTS
from bluelobster.db.pool import Pool, Tx, transaction

log = logging.getLogger(__name__)


async def for_each(
    pool: Pool,
    what: str,
    query: LiteralString,
    act: Callable[[Tx, UUID], Awaitable[None]],
    values: Sequence[object] = (),
) -> None:
    """Let `act` have each id that a query finds: none waits for another. One that fails is logged as `what`, keeps
    nobody from their turn, and is found again by the next run. Raises OperationalError: without a database there is no
    next one."""
    async with pool.connection() as connection:
        found = await (await connection.execute(query, values)).fetchall()
    for (each,) in found:
        try:
            async with transaction(pool) as tx:
                await act(tx, each)
        except CONFLICTS as error:
            log.warning("%s %s was in somebody's way; it is tried again: %s", what, each, error)
        except OperationalError:
            raise
        except Exception:
            log.exception("%s %s failed; it is tried again", what, each)
