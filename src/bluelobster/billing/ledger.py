"""An account's money: entries in whole cents that are only ever added; the balance is their sum."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx


async def credit(tx: Tx, account_id: UUID, amount_cents: int, reason: str, now: datetime) -> None:
    """Add `amount_cents` (negative takes it back) to what the account has."""
    await tx.execute(
        "insert into ledger (account_id, amount_cents, reason, created_at) values (%s, %s, %s, %s)",
        (account_id, amount_cents, reason, now),
    )
