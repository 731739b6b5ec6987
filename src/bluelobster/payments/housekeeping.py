"""What nobody tells us, and what nobody asks for any more."""

from datetime import timedelta

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, transaction

# Telling that nobody paid in time is the provider's part, which may be late.
PATIENCE = timedelta(hours=1)
# An event that is older than its signature's five minutes is refused anyway.
KEEP = timedelta(days=400)


async def tidy_payments(pool: Pool, clock: Clock) -> None:
    """End top-ups whose time is over, and forget events that were received long ago."""
    now = clock.now()
    async with transaction(pool) as tx:
        await tx.execute(
            """update top_ups set status = 'expired', ended_at = %s, url = null
               where status = 'open' and expires_at < %s""",
            (now, now - PATIENCE),
        )
        await tx.execute("delete from payment_events where received_at < %s", (now - KEEP,))
