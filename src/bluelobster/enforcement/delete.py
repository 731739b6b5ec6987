"""Delete what a terminated account still has: its instances and its backups, but for those that the operator has
protected in their storage."""

from functools import partial
from uuid import UUID

from bluelobster.backups.delete import request_deletion as request_backup_deletion
from bluelobster.backups.find import hold_backup
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx
from bluelobster.enforcement.hold import IDLE, hold, origin_of, stands
from bluelobster.instances.delete import request_deletion
from bluelobster.tasks.each import for_each
from bluelobster.tasks.spawn import Origin

INSTANCES = f"""
    select i.id from instances i join accounts a on a.id = i.account_id
    where a.standing = 'terminated' and i.status = 'rented'
      and {IDLE}
    order by i.id"""
BACKUPS = """
    select b.id from backups b join accounts a on a.id = b.account_id
    where a.standing = 'terminated' and b.status = 'available' and not b.protected
      and not exists (select from tasks t where t.backup_id = b.id and t.ended_at is null)
    order by b.id"""


async def delete_what_is_left(pool: Pool, clock: Clock) -> None:
    """All that is not being made, restored or deleted at the moment; the next run sees to the rest."""
    await for_each(pool, "deleting instance", INSTANCES, partial(_delete_instance, clock))
    await for_each(pool, "deleting backup", BACKUPS, partial(_delete_backup, clock))


async def _delete_instance(clock: Clock, tx: Tx, instance_id: UUID) -> None:
    held = await hold(tx, instance_id, "terminated")
    if held is not None:
        await request_deletion(tx, held.instance, origin_of(held), clock.now())


async def _delete_backup(clock: Clock, tx: Tx, backup_id: UUID) -> None:
    backup = await hold_backup(tx, backup_id)
    if backup is not None and await stands(tx, backup.account_id, "terminated"):
        await request_backup_deletion(tx, backup, Origin(backup.account_id, None, None), clock.now())
