"""Shut down the instances of suspended accounts: the guest is asked first, and switched off if it does not follow."""

from functools import partial
from uuid import UUID

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx
from bluelobster.enforcement.hold import IDLE, hold, origin_of
from bluelobster.instances.power import FORCE_SHUTDOWN, SHUTDOWN, change_power
from bluelobster.tasks.each import for_each

RUNNING = f"""
    select i.id from instances i join accounts a on a.id = i.account_id
    where a.standing in ('suspended', 'terminated') and i.status = 'rented' and i.power_status = 'running'
      and {IDLE}
    order by i.id"""


async def shut_down(pool: Pool, clock: Clock) -> None:
    """Those that still run, and are not busy."""
    await for_each(pool, "shutting down instance", RUNNING, partial(_shut_down, clock))


async def _shut_down(clock: Clock, tx: Tx, instance_id: UUID) -> None:
    held = await hold(tx, instance_id, "suspended", "terminated")
    if held is None or held.instance.power_status != "running":
        return
    was_asked = held.suspended_at is not None
    await change_power(tx, FORCE_SHUTDOWN if was_asked else SHUTDOWN, held.instance, origin_of(held), clock.now())
    if not was_asked:
        await tx.execute("update instances set suspended_at = %s where id = %s", (clock.now(), instance_id))
