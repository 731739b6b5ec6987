"""Use of backup storage: periods at a price a GB and month, to the second."""

from datetime import datetime
from uuid import UUID

from bluelobster.billing.months import Month
from bluelobster.billing.prices import price_of
from bluelobster.db.pool import Tx


async def begin_backup_usage(tx: Tx, backup_id: UUID, now: datetime) -> None:
    """From now on the backup costs what storage costs today."""
    await tx.execute(
        """insert into backup_usage_periods
             (account_id, instance_id, backup_id, size_bytes, price_cents_per_month, began_at, step_seconds,
              least_steps)
           select b.account_id, b.instance_id, b.id, b.size_bytes, %s, date_trunc('second', %s), s.step_seconds,
                  s.least_steps
           from backups b join billing_steps s on s.kind = 'backup' where b.id = %s""",
        (await price_of(tx, "backup_gb_month", now), now, backup_id),
    )


async def end_backup_usage(tx: Tx, backup_id: UUID, now: datetime) -> None:
    """From now on it costs nothing."""
    await tx.execute(
        """update backup_usage_periods set ended_at = greatest(began_at, charged_to, date_trunc('second', %s))
           where backup_id = %s and ended_at is null""",
        (now, backup_id),
    )


async def backup_cents(tx: Tx, account_id: UUID, month: Month, now: datetime) -> dict[UUID, int]:
    """What the backups of each instance of an account have cost in a month up to now, in cents, by the rule that they
    are charged by."""
    cursor = await tx.execute(
        """select p.instance_id,
                  sum(cents_of(p, due_steps(p, least(%(now)s, %(ends)s)))
                      - cents_of(p, due_steps(p, %(began)s)))::bigint
           from backup_usage_periods p
           where p.account_id = %(account_id)s and p.began_at < least(%(now)s, %(ends)s)
             and (p.ended_at is null or p.ended_at > %(began)s)
           group by p.instance_id""",
        {"account_id": account_id, "now": now, **vars(month)},
    )
    return dict(await cursor.fetchall())
