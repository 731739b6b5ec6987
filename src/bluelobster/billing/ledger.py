"""An account's money: entries in whole cents that are only ever added; the balance is their sum.

The database refuses changes and wrong signs, and puts each entry into a month that is still open. Who writes an entry
holds the account's row until the end of the transaction: take it before the rows of periods, never after.
"""

from datetime import datetime
from typing import Literal
from uuid import UUID

from bluelobster.billing.standing import update_standing
from bluelobster.billing.terms import read_terms
from bluelobster.db.pool import Tx

# Came in, given, used, handed back, put right.
Kind = Literal["payment", "credit", "charge", "refund", "adjustment"]


async def enter(tx: Tx, account_id: UUID, kind: Kind, amount_cents: int, reason: str, now: datetime) -> int:
    """Add an entry; its id. Payments and credits are positive, charges and refunds negative. Whoever pays what is owed
    stands well at once."""
    cursor = await tx.execute(
        """insert into ledger (account_id, kind, amount_cents, reason, created_at) values (%s, %s, %s, %s, %s)
           returning id""",
        (account_id, kind, amount_cents, reason, now),
    )
    row = await cursor.fetchone()
    assert row is not None  # noqa: S101 - an insert of one row returns one
    if amount_cents > 0:
        await update_standing(tx, account_id, await read_terms(tx), now)
    return int(row[0])


async def credit(tx: Tx, account_id: UUID, amount_cents: int, reason: str, now: datetime) -> None:
    """Add `amount_cents` (negative takes it back) to what the account has."""
    await enter(tx, account_id, "credit" if amount_cents > 0 else "adjustment", amount_cents, reason, now)


async def balance_of(tx: Tx, account_id: UUID) -> int:
    """What an account has, in cents; below zero, what it owes."""
    cursor = await tx.execute("select cents::bigint from balances where account_id = %s", (account_id,))
    row = await cursor.fetchone()
    if row is None:
        raise LookupError(f"there is no account {account_id}")
    return int(row[0])
