"""Accounts and machines that exist in the records only: money needs no more of them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from bluelobster.access.accounts import create_account
from bluelobster.db.pool import Pool, Tx, connect

MACHINE = """
    insert into instances (id, account_id, name, region, host_id, vcpus, memory_gb, disk_gb, price_cents_per_hour,
                           username, status, power_status, created_at, updated_at)
    values (%(id)s, %(account_id)s, %(name)s, 'r', 'h', 1, 1, 1, %(price)s, 'x', 'rented', 'running', %(now)s,
            %(now)s)"""


@asynccontextmanager
async def records(dsn: str, connections: int = 2) -> AsyncIterator[Pool]:
    """A pool of connections to a database that has a region and a host."""
    async with connect(dsn, size=connections, idle_seconds=60) as pool:
        async with pool.connection() as connection:
            await connection.execute("insert into regions values ('r', 'x', 'x', 'x', 'x')")
            await connection.execute(
                """insert into hosts (id, region, api_url, node, token_sealed, storage, bridge, vcpus, memory_gb,
                                      disk_gb, created_at)
                   values ('h', 'r', 'x', 'x', '', 'x', 'x', 1, 1, 1, now())"""
            )
        yield pool


async def new_account(tx: Tx, now: datetime) -> UUID:
    return await create_account(tx, f"account-{uuid4().hex}", "customer", now)


async def new_machine(tx: Tx, account_id: UUID, price: int, now: datetime) -> UUID:
    """An instance at so many cents an hour. Its use has not begun."""
    values = {"id": uuid4(), "account_id": account_id, "price": price, "now": now}
    await tx.execute(MACHINE, {**values, "name": f"machine-{values['id']}"})
    return values["id"]  # type: ignore[return-value]


async def rows(tx: Tx, query: str, *values: Any) -> list[tuple[Any, ...]]:
    return await (await tx.execute(query, values)).fetchall()
