"""What is done about money every now and then, by whichever worker gets to it."""

from bluelobster.billing.charge import post_charges
from bluelobster.billing.close import close_months
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool


async def bill(pool: Pool, clock: Clock) -> None:
    """Charge what was used, and write the invoices of the months that are over. Every part may die anywhere, and is
    done by the next run."""
    await post_charges(pool, clock)
    await close_months(pool, clock)
