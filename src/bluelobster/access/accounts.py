"""Accounts: who pays, and whose things are whose."""

from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from bluelobster.db.pool import Tx

Kind = Literal["customer", "staff"]


async def create_account(tx: Tx, name: str, role: Kind, now: datetime) -> UUID:
    """A new account; psycopg's UniqueViolation when the name is taken."""
    account_id = uuid4()
    await tx.execute(
        "insert into accounts (id, name, role, created_at) values (%s, %s, %s, %s)", (account_id, name, role, now)
    )
    return account_id


async def find_account(tx: Tx, name: str) -> UUID | None:
    cursor = await tx.execute("select id from accounts where name = %s", (name,))
    row = await cursor.fetchone()
    return row[0] if row else None


async def is_staff(tx: Tx, account_id: UUID) -> bool:
    """Whether it is an account of the operator's own people."""
    cursor = await tx.execute("select role = 'staff' from accounts where id = %s", (account_id,))
    return await cursor.fetchone() == (True,)
