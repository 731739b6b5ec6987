"""Start the instances again that were shut down because their account owed, once it has paid."""

from functools import partial
from uuid import UUID

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx
from bluelobster.enforcement.hold import IDLE, hold, origin_of
from bluelobster.instances.power import POWER_ON, change_power
from bluelobster.tasks.each import for_each

SUSPENDED = f"""
    select i.id from instances i join accounts a on a.id = i.account_id
    where i.suspended_at is not null and a.standing in ('good', 'past_due') and i.status = 'rented'
      and {IDLE}
      and not exists (
        select from maintenances m where m.host_id = i.host_id and m.ended_at is null and m.stops <> 'none')
    order by i.id"""


async def run_again(pool: Pool, clock: Clock) -> None:
    """Those that are not running yet; whoever started theirs is left alone."""
    await for_each(pool, "starting instance", SUSPENDED, partial(_run_again, clock))


async def _run_again(clock: Clock, tx: Tx, instance_id: UUID) -> None:
    held = await hold(tx, instance_id, "good", "past_due")
    if held is None or held.suspended_at is None:
        return
    await tx.execute("update instances set suspended_at = null where id = %s", (instance_id,))
    if held.instance.power_status != "running":
        await change_power(tx, POWER_ON, held.instance, origin_of(held), clock.now())
