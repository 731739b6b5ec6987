"""Begin the backups that schedules ask for: each slot once, whichever worker looks and wherever one dies."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.principal import Sight
from bluelobster.backups.create import request_backup
from bluelobster.backups.schedule import COLUMNS, Schedule
from bluelobster.backups.slots import is_too_late, next_slot, slots
from bluelobster.clock import Clock, rfc3339
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import SYSTEM, record_instance
from bluelobster.http.errors import ApiError, Conflict
from bluelobster.instances.find import find_instance, instance_not_found
from bluelobster.tasks.each import for_each
from bluelobster.tasks.spawn import Origin

KEEP = timedelta(days=400)
DUE = "select instance_id from backup_schedules where enabled and next_run_at <= %s order by next_run_at"


@dataclass(frozen=True, kw_only=True)
class Due(Schedule):
    """A schedule with a slot that was not dealt with yet."""

    instance_id: UUID
    account_id: UUID


async def run_schedules(pool: Pool, clock: Clock) -> None:
    """Every due schedule in a transaction of its own: none waits for another, and none suffers from its failure."""

    async def run(tx: Tx, instance_id: UUID) -> None:
        await run_schedule(tx, instance_id, clock.now())

    await for_each(pool, "the backup schedule of instance", DUE, run, (clock.now(),))


async def run_schedule(tx: Tx, instance_id: UUID, now: datetime) -> None:
    """Deal with a schedule's slots up to `now`, unless somebody else does. Of several only the latest is run, and not
    once it is older than half its period; the others were missed."""
    due = await _hold(tx, instance_id, now)
    if due is None:
        return
    unseen = await _without_outcome(tx, due, list(slots(due.rhythm, due.next_run_at, now)))
    missed, latest = unseen[:-1], unseen[-1:]
    if latest and is_too_late(due.rhythm, latest[0], now):
        missed, latest = unseen, []
    await _miss(tx, due, missed, now)
    dealt_with = not latest or await _begin(tx, due, latest[0], now)
    await tx.execute(
        "update backup_schedules set next_run_at = %s where instance_id = %s",
        (next_slot(due.rhythm, now) if dealt_with else latest[0], instance_id),
    )


async def forget_old_slots(pool: Pool, clock: Clock) -> None:
    """Remove what became of slots that no clock will show again."""
    async with transaction(pool) as tx:
        await tx.execute("delete from backup_slots where slot_at < %s", (clock.now() - KEEP,))


async def _hold(tx: Tx, instance_id: UUID, now: datetime) -> Due | None:
    """A due schedule with its instance, held until the end of `tx`; None where somebody else holds one of them."""
    async with tx.cursor(row_factory=class_row(Due)) as cursor:
        await cursor.execute(
            f"""select instance_id, account_id, {COLUMNS}
                from backup_schedules s join instances i on i.id = s.instance_id
                where s.instance_id = %s and s.enabled and s.next_run_at <= %s and i.ended_at is null
                for update skip locked""",
            (instance_id, now),
        )
        return await cursor.fetchone()


async def _without_outcome(tx: Tx, due: Due, found: Sequence[datetime]) -> list[datetime]:
    """Those slots that were not dealt with: a clock that was put back shows some a second time."""
    cursor = await tx.execute(
        "select slot_at from backup_slots where instance_id = %s and slot_at = any(%s)", (due.instance_id, list(found))
    )
    known = {row[0] for row in await cursor.fetchall()}
    return [slot for slot in found if slot not in known]


async def _miss(tx: Tx, due: Due, missed: Sequence[datetime], now: datetime) -> None:
    """Nothing was made in these slots, and nothing will be."""
    if not missed:
        return
    await tx.execute(
        """insert into backup_slots (instance_id, slot_at, outcome)
           select %s, slot_at, 'missed' from unnest(%s::timestamptz[]) as slot_at""",
        (due.instance_id, list(missed)),
    )
    await _say(tx, due.instance_id, "missed")
    more = {"slot_at": rfc3339(missed[-1]), "slots": len(missed)}
    await record_instance(tx, "backup.missed", due.instance_id, now, SYSTEM, **more)


async def _begin(tx: Tx, due: Due, slot: datetime, now: datetime) -> bool:
    """Claim a slot together with the backup that it asks for; False while the instance is busy. One that cannot be
    backed up at all has had its slot."""
    missing = instance_not_found(str(due.instance_id))
    instance = await find_instance(tx, Sight(due.account_id, None), str(due.instance_id), missing)
    if instance.status != "rented":
        return False
    origin = Origin(due.account_id, None, None)
    try:
        async with tx.transaction():
            _, backup_id = await request_backup(tx, instance, origin, now, scheduled=True)
    except Conflict:
        return False
    except ApiError as refusal:
        await _claim(tx, due.instance_id, slot, None)
        await _say(tx, due.instance_id, f"failed: {refusal.message}")
        more = {"scheduled": True, "slot_at": rfc3339(slot), "message": refusal.message}
        await record_instance(tx, "backup.failed", due.instance_id, now, SYSTEM, **more)
        return True
    await _claim(tx, due.instance_id, slot, backup_id)
    return True


async def _claim(tx: Tx, instance_id: UUID, slot: datetime, backup_id: UUID | None) -> None:
    """The slot is taken, by a backup or by none."""
    await tx.execute(
        "insert into backup_slots (instance_id, slot_at, outcome, backup_id) values (%s, %s, %s, %s)",
        (instance_id, slot, "missed" if backup_id is None else "started", backup_id),
    )


async def _say(tx: Tx, instance_id: UUID, status: str) -> None:
    await tx.execute("update backup_schedules set last_status = %s where instance_id = %s", (status, instance_id))
