"""Usage: periods in which a machine was somebody's. They are written where they become true, and never overlap.

A period keeps the price and the steps that hold when it begins. It is kept to the second, and never ends before what is
charged already, whatever the clock says.
"""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx


async def begin_usage(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """From now on the instance costs what it was launched at."""
    await tx.execute(
        """insert into usage_periods
             (account_id, instance_id, price_cents_per_hour, began_at, step_seconds, least_steps)
           select i.account_id, i.id, i.price_cents_per_hour, date_trunc('second', %s), s.step_seconds, s.least_steps
           from instances i join billing_steps s on s.kind = 'instance' where i.id = %s""",
        (now, instance_id),
    )


async def end_usage(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """From now on it costs nothing."""
    await tx.execute(
        """update usage_periods set ended_at = greatest(began_at, charged_to, date_trunc('second', %s))
           where instance_id = %s and ended_at is null""",
        (now, instance_id),
    )
