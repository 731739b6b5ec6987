"""The backup schedule of an instance: shown, set and removed. It needs no operation's slot."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.principal import Sight
from bluelobster.backups.schedule_request import BackupScheduleCreate, checked_extension, checked_rhythm
from bluelobster.backups.slots import Rhythm, next_slot
from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.http.errors import NotFound
from bluelobster.instances.find import find_instance, instance_not_found


@dataclass(frozen=True, kw_only=True)
class Schedule(Rhythm):
    """A schedule with its outcome so far. `next_run_at` is the first slot that was not dealt with yet."""

    enabled: bool = True
    keep_last: int | None = None
    keep_daily: int | None = None
    keep_weekly: int | None = None
    keep_monthly: int | None = None
    next_run_at: datetime
    last_run_at: datetime | None = None
    last_status: str | None = None

    @property
    def rhythm(self) -> Rhythm:
        return Rhythm(self.frequency, self.hour_utc, self.day_of_week, self.day_of_month)


COLUMNS = """frequency, hour_utc, day_of_week, day_of_month, enabled, keep_last, keep_daily, keep_weekly, keep_monthly,
             next_run_at, last_run_at, last_status"""


async def show_schedule(tx: Tx, sight: Sight, vm_uuid: str) -> dict[str, Any]:
    """Raises NotFound for the instance, and for its schedule."""
    instance = await find_instance(tx, sight, vm_uuid, instance_not_found(vm_uuid))
    schedule = await read_schedule(tx, instance.id)
    if schedule is None:
        raise schedule_not_found(vm_uuid)
    return view(instance.id, schedule)


async def set_schedule(
    tx: Tx, sight: Sight, vm_uuid: str, wanted: BackupScheduleCreate, now: datetime
) -> dict[str, Any]:
    """Make the instance's schedule, or change it. Raises NotFound, InvalidRequest.

    A schedule that goes on as before keeps a slot that waits for its instance to be idle.
    """
    instance = await find_instance(tx, sight, vm_uuid, instance_not_found(vm_uuid), lock=True)
    rhythm, extension = checked_rhythm(wanted), checked_extension(wanted)
    before = await read_schedule(tx, instance.id)
    fresh = Schedule(**vars(rhythm), next_run_at=next_slot(rhythm, now))
    schedule = replace(before or fresh, **vars(rhythm), **extension)
    if before is None or not before.enabled or before.rhythm != rhythm:
        schedule = replace(schedule, next_run_at=fresh.next_run_at)
    await tx.execute(
        """insert into backup_schedules (instance_id, frequency, hour_utc, day_of_week, day_of_month, enabled,
                                         keep_last, keep_daily, keep_weekly, keep_monthly, next_run_at,
                                         created_at, updated_at)
           values (%(instance_id)s, %(frequency)s, %(hour_utc)s, %(day_of_week)s, %(day_of_month)s, %(enabled)s,
                   %(keep_last)s, %(keep_daily)s, %(keep_weekly)s, %(keep_monthly)s, %(next_run_at)s, %(now)s, %(now)s)
           on conflict (instance_id) do update
             set frequency = excluded.frequency, hour_utc = excluded.hour_utc, day_of_week = excluded.day_of_week,
                 day_of_month = excluded.day_of_month, enabled = excluded.enabled, keep_last = excluded.keep_last,
                 keep_daily = excluded.keep_daily, keep_weekly = excluded.keep_weekly,
                 keep_monthly = excluded.keep_monthly, next_run_at = excluded.next_run_at,
                 updated_at = excluded.updated_at""",
        {**vars(schedule), "instance_id": instance.id, "now": now},
    )
    return view(instance.id, schedule)


async def remove_schedule(tx: Tx, sight: Sight, vm_uuid: str) -> dict[str, Any]:
    """The backups that it made stay. Raises NotFound for the instance, and for its schedule."""
    instance = await find_instance(tx, sight, vm_uuid, instance_not_found(vm_uuid), lock=True)
    done = await tx.execute("delete from backup_schedules where instance_id = %s", (instance.id,))
    if done.rowcount == 0:
        raise schedule_not_found(vm_uuid)
    return {"message": "Backup schedule deleted successfully", "vm_uuid": str(instance.id)}


async def read_schedule(tx: Tx, instance_id: UUID) -> Schedule | None:
    async with tx.cursor(row_factory=class_row(Schedule)) as cursor:
        await cursor.execute(f"select {COLUMNS} from backup_schedules where instance_id = %s", (instance_id,))
        return await cursor.fetchone()


def view(instance_id: UUID, schedule: Schedule) -> dict[str, Any]:
    """As the API shows it; a schedule that is switched off has no next run."""
    moments = {
        "next_run_at": schedule.next_run_at if schedule.enabled else None,
        "last_run_at": schedule.last_run_at,
    }
    shown = {name: moment and rfc3339(moment) for name, moment in moments.items()}
    return {"vm_uuid": str(instance_id), **vars(schedule), **shown}


def schedule_not_found(vm_uuid: str) -> NotFound:
    return NotFound("schedule_not_found", f"Instance {vm_uuid[:64]} has no backup schedule")
