"""Use of additional addresses: periods at a price a month, which never overlap for one address."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx


async def begin_address_usage(tx: Tx, instance_id: UUID, address: str, now: datetime) -> None:
    """From now on the address costs what was said when it was asked for."""
    await tx.execute(
        """insert into address_usage_periods (account_id, instance_id, address, price_cents_per_month, began_at)
           select i.account_id, i.id, a.address, a.price_cents_per_month, %s
           from instances i join addresses a on a.instance_id = i.id where i.id = %s and a.address = %s""",
        (now, instance_id, address),
    )


async def end_address_usage(tx: Tx, instance_id: UUID, only: str | None, now: datetime) -> None:
    """From now on the instance's additional addresses, or `only` that one, cost nothing."""
    await tx.execute(
        """update address_usage_periods set ended_at = greatest(began_at, %s)
           where instance_id = %s and ended_at is null and coalesce(address = %s, true)""",
        (now, instance_id, only),
    )
