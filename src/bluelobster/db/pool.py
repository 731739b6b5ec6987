"""Connections and transactions. Code never commits: whoever opened the transaction does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from bluelobster.stopping import to_the_end

Connection = AsyncConnection[TupleRow]
Tx = Connection


class Pool(AsyncConnectionPool[Connection]):
    """Gets back what it gave out, whatever becomes of whoever had it."""

    async def putconn(self, conn: Connection) -> None:
        """Give a connection back. Cancelled on the way to who waits for it, psycopg's pool (3.3) loses both: one has
        a connection less for ever, and the other waits until its time is over."""
        await to_the_end(super().putconn(conn))


@asynccontextmanager
async def connect(dsn: str, *, size: int, idle_seconds: float) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections, each in autocommit until a transaction is asked for.

    A transaction that does nothing for `idle_seconds` is ended by the server: a process that was paused in the
    middle of one must not hold its locks against everybody else.
    """
    options = f"-c timezone=UTC -c idle_in_transaction_session_timeout={round(idle_seconds * 1000)}"
    settings: dict[str, Any] = {"autocommit": True, "options": options}
    pool = Pool(dsn, min_size=1, max_size=size, kwargs=settings, open=False, timeout=10)
    await pool.open(wait=True, timeout=30)
    try:
        yield pool
    finally:
        await pool.close(timeout=5)


@asynccontextmanager
async def transaction(pool: Pool) -> AsyncIterator[Tx]:
    """One transaction: committed at the end of the block, rolled back by any exception."""
    async with pool.connection() as connection, connection.transaction():
        yield connection
