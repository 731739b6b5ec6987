"""Usage: periods in which a machine was somebody's. They are written where they become true, and never overlap."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx


async def begin_usage(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """From now on the instance costs what it was launched at."""
    await tx.execute(
        """insert into usage_periods (account_id, instance_id, price_cents_per_hour, began_at)
           select account_id, id, price_cents_per_hour, %s from instances where id = %s""",
        (now, instance_id),
    )


async def end_usage(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """From now on it costs nothing."""
    await tx.execute(
        "update usage_periods set ended_at = greatest(began_at, %s) where instance_id = %s and ended_at is null",
        (now, instance_id),
    )
