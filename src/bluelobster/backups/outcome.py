"""What a schedule says of the backup that it asked for, in the transaction that ends it; and which backups go then."""

from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.backups.delete import request_deletion
from bluelobster.backups.find import SELECT, Backup
from bluelobster.backups.retention import Kept, Rules, to_prune
from bluelobster.backups.schedule import read_schedule
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict
from bluelobster.tasks.spawn import Origin


async def completed(tx: Tx, backup_id: UUID, now: datetime) -> None:
    """The backup is available; those of its schedule that no rule keeps any more are queued to be deleted. Nothing to
    do for one that no schedule asked for."""
    instance_id = await _scheduled_for(tx, backup_id)
    if instance_id is not None:
        await _say(tx, backup_id, "completed")
        await prune(tx, instance_id, now)


async def failed(tx: Tx, backup_id: UUID, why: str) -> None:
    """There is no backup. Nothing to do for one that no schedule asked for."""
    if await _scheduled_for(tx, backup_id) is not None:
        await _say(tx, backup_id, f"failed: {why}")


async def prune(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """Queue the deletion of what the schedule's rules do not keep: only of what it made itself, and never of what is
    protected. What cannot go now, as while it is restored, goes after the next backup."""
    schedule = await read_schedule(tx, instance_id)
    if schedule is None:
        return
    rules = Rules(schedule.keep_last, schedule.keep_daily, schedule.keep_weekly, schedule.keep_monthly)
    async with tx.cursor(row_factory=class_row(Backup)) as cursor:
        await cursor.execute(
            f"""{SELECT} where b.instance_id = %s and b.scheduled and not b.protected and b.status = 'available'
                for update of b skip locked""",
            (instance_id,),
        )
        backups = {each.id: each for each in await cursor.fetchall()}
    for each in to_prune((Kept(backup.id, backup.created_at) for backup in backups.values()), rules):
        backup = backups[each.id]
        try:
            async with tx.transaction():
                await request_deletion(tx, backup, Origin(backup.account_id, None, None), now)
        except Conflict:
            continue


async def _scheduled_for(tx: Tx, backup_id: UUID) -> UUID | None:
    """The instance whose schedule asked for a backup. It is held as requests hold it that change the schedule."""
    cursor = await tx.execute(
        """select i.id from instances i join backups b on b.instance_id = i.id
           where b.id = %s and b.scheduled for update of i""",
        (backup_id,),
    )
    row = await cursor.fetchone()
    return row[0] if row else None


async def _say(tx: Tx, backup_id: UUID, status: str) -> None:
    await tx.execute(
        """update backup_schedules s set last_status = %s, last_run_at = b.requested_at
           from backups b where b.id = %s and s.instance_id = b.instance_id""",
        (status, backup_id),
    )
