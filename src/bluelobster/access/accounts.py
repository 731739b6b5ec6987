"""Accounts: who pays, and whose things are whose."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.db.pool import Tx

Kind = Literal["customer", "staff"]


@dataclass(frozen=True)
class Account:
    """An account and what it has in credit, in cents."""

    id: UUID
    name: str
    role: Kind
    created_at: datetime
    balance_cents: int


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


async def list_accounts(tx: Tx) -> list[Account]:
    async with tx.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(
            """select a.id, a.name, a.role, a.created_at,
                      (select coalesce(sum(amount_cents), 0)::bigint from ledger l where l.account_id = a.id)
                        as balance_cents
               from accounts a order by a.name"""
        )
        return await cursor.fetchall()
