"""What nobody asks for any more: old events."""

from datetime import timedelta

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, transaction
from bluelobster.events.numbers import number_events


async def put_events_in_order(pool: Pool) -> None:
    """Number what nobody has looked at yet, so that who looks next need not wait for it."""
    async with transaction(pool) as tx:
        await number_events(tx)


async def forget_old_events(pool: Pool, clock: Clock, days: int) -> None:
    """Remove events that are older than so many days."""
    async with transaction(pool) as tx:
        await tx.execute("delete from events where created_at < %s", (clock.now() - timedelta(days=days),))
