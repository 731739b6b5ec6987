"""Connections that outlive their pool: a new one costs PostgreSQL as much as a dozen statements, and in each every
statement is dear the first time."""

import asyncio
from collections import defaultdict
from typing import Any, ClassVar, Self

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus
from psycopg.rows import TupleRow


class KeptConnection(AsyncConnection[TupleRow]):
    """Closed, it waits for whoever connects to the same database in the same way. Only one database's are kept."""

    database: ClassVar[str] = ""
    waiting: ClassVar[defaultdict[str, list["KeptConnection"]]] = defaultdict(list)
    way: str | None = None

    @classmethod
    async def connect(cls, conninfo: str = "", **options: Any) -> Self:
        if conninfo != cls.database:
            return await super().connect(conninfo, **options)
        way = repr(sorted((name, value) for name, value in options.items() if name != "connect_timeout"))
        if cls.waiting[way]:
            found: Any = cls.waiting[way].pop()
            found.lock = asyncio.Lock()  # the last one's event loop is closed
            return found  # type: ignore[no-any-return]
        connection = await super().connect(conninfo, **options)
        connection.way = way
        return connection

    async def close(self) -> None:
        if self.way is None or self.closed or self.pgconn.transaction_status != TransactionStatus.IDLE:
            await super().close()
        else:
            self.waiting[self.way].append(self)

    @classmethod
    def forget_all_but(cls, pids: set[int]) -> None:
        """Close those that wait and whose backend is none of these: their server has ended them."""
        for way, connections in cls.waiting.items():
            cls.waiting[way] = [each for each in connections if each.pgconn.backend_pid in pids]
            for each in connections:
                if each.pgconn.backend_pid not in pids:
                    each.pgconn.finish()

    @classmethod
    def pids(cls) -> list[int]:
        return [each.pgconn.backend_pid for connections in cls.waiting.values() for each in connections]
