"""Connections and transactions. Code never commits: whoever opened the transaction does."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import DiskFull, ReadOnlySqlTransaction
from psycopg.pq import ConnStatus
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from bluelobster.stopping import to_the_end

Connection = AsyncConnection[TupleRow]
Tx = Connection

# A server that vanished without a word is noticed after seconds; by itself the system takes a quarter of an hour.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS
WATCHFUL = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
}
# A server that is away is tried once a second. psycopg's pool would double its pauses up to two minutes, and give up.
RECONNECT_SECONDS = 2
# For so long a server that refused to write is said to refuse it: whether it would write now shows at the next try.
REFUSAL_SECONDS = 60.0


class Pool(AsyncConnectionPool[Connection]):
    """Gets back what it gave out, whatever becomes of whoever had it, and knows whether the server takes anything."""

    _refused_at: float | None = None

    @property
    def refuses_to_write(self) -> bool:
        """Whether it lately did: its disk is full, or it is a standby or being moved."""
        return self._refused_at is not None and time.monotonic() - self._refused_at < REFUSAL_SECONDS

    @asynccontextmanager
    async def connection(self, timeout: float | None = None) -> AsyncIterator[Connection]:  # noqa: ASYNC109 - psycopg's
        """A connection for as long as the block lasts."""
        try:
            async with super().connection(timeout) as connection:
                yield connection
        except (DiskFull, ReadOnlySqlTransaction):
            self._refused_at = time.monotonic()
            raise

    async def putconn(self, conn: Connection) -> None:
        """Give a connection back. Cancelled on the way to who waits for it, psycopg's pool (3.3) loses both: one has
        a connection less for ever, and the other waits until its time is over."""
        await to_the_end(self._take_back(conn))

    async def _take_back(self, conn: Connection) -> None:
        """Where one is broken, the server was away, and those that nobody uses now are broken as well."""
        is_broken = conn.pgconn.status == ConnStatus.BAD
        await super().putconn(conn)
        if is_broken and not self.closed:
            await self.check()


async def try_on(pool: AsyncConnectionPool[Any]) -> None:
    """Begin anew where a pool has just given up."""
    await pool.check()


def forget_libpq_defaults() -> None:
    """What a user has set for other databases (PGPORT, PGSERVICE, PGOPTIONS) is not meant for one of our own."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def watchful(dsn: str) -> dict[str, Any]:
    """How to connect so that a server which is gone is noticed; what `dsn` says itself it may say."""
    said = conninfo_to_dict(dsn)
    return {name: value for name, value in WATCHFUL.items() if name not in said}


@asynccontextmanager
async def connect(dsn: str, *, size: int, idle_seconds: float) -> AsyncIterator[Pool]:
    """A pool of at most `size` connections, each in autocommit until a transaction is asked for.

    A transaction that does nothing for `idle_seconds` is ended by the server: a process that was paused in the
    middle of one must not hold its locks against everybody else.
    """
    # They would win against the options, and months begin and end in UTC.
    for name in ("PGTZ", "PGDATESTYLE"):
        os.environ.pop(name, None)
    options = f"-c timezone=UTC -c idle_in_transaction_session_timeout={round(idle_seconds * 1000)}"
    settings = {"autocommit": True, "options": options, **watchful(dsn)}
    pool = Pool(
        dsn,
        min_size=1,
        max_size=size,
        kwargs=settings,
        open=False,
        timeout=10,
        reconnect_timeout=RECONNECT_SECONDS,
        reconnect_failed=try_on,
    )
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
