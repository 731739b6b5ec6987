"""Use of additional addresses: periods at a price a month, which never overlap for one address."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx


async def begin_address_usage(tx: Tx, instance_id: UUID, address: str, now: datetime) -> None:
    """From now on the address costs what was said when it was asked for; from when it stopped being somebody else's,
    where the clock was put back."""
    await tx.execute(
        """insert into address_usage_periods
             (account_id, instance_id, address, price_cents_per_month, began_at, step_seconds, least_steps)
           select i.account_id, i.id, a.address, a.price_cents_per_month,
                  greatest(date_trunc('second', %(now)s),
                           (select max(p.ended_at) from address_usage_periods p where p.address = a.address)),
                  s.step_seconds, s.least_steps
           from instances i join addresses a on a.instance_id = i.id join billing_steps s on s.kind = 'address'
           where i.id = %(instance_id)s and a.address = %(address)s""",
        {"now": now, "instance_id": instance_id, "address": address},
    )


async def end_address_usage(tx: Tx, instance_id: UUID, only: str | None, now: datetime) -> None:
    """From now on the instance's additional addresses, or `only` that one, cost nothing."""
    await tx.execute(
        """update address_usage_periods set ended_at = greatest(began_at, charged_to, date_trunc('second', %s))
           where instance_id = %s and ended_at is null and coalesce(address = %s, true)""",
        (now, instance_id, only),
    )
