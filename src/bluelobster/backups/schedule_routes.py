"""The routes of an instance's backup schedule."""

from typing import Any

from fastapi import APIRouter

from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.backups.schedule import remove_schedule, set_schedule, show_schedule
from bluelobster.backups.schedule_request import BackupScheduleCreate

router = APIRouter(
    prefix="/api/v1/instances/{vm_uuid}/backup-schedule",
    tags=["BACKUPS"],
    route_class=IdentifiedRoute,
    dependencies=MARKED,
)


@router.get("", summary="Backup schedule of an instance")
async def get_backup_schedule(vm_uuid: str, caller: Caller, tx: Reading) -> Any:
    """When backups are made, how many are kept, when the next one is due (`next_run_at`), when the last one began
    (`last_run_at`) and what became of it: `last_status` is `completed`, `failed: …` or `missed`."""
    return await show_schedule(tx, caller.sight, vm_uuid)


@router.post("", summary="Set the backup schedule of an instance")
async def create_backup_schedule(
    vm_uuid: str, wanted: BackupScheduleCreate, caller: Caller, tx: Transaction, clock: Time
) -> Any:
    """Make the instance's one schedule, or change it.

    A backup that is due while another operation runs on the instance begins when that has ended; one that could not
    begin for half the time until the next is `missed`. With `keep_last`, `keep_daily`, `keep_weekly` or `keep_monthly`,
    what no rule keeps is deleted after each backup of the schedule; backups that you made yourself, and protected ones,
    stay.
    """
    return await set_schedule(tx, caller.sight, vm_uuid, wanted, clock.now())


@router.delete("", summary="Remove the backup schedule of an instance")
async def delete_backup_schedule(vm_uuid: str, caller: Caller, tx: Transaction) -> Any:
    """No more backups are made by themselves; those that were made stay."""
    return await remove_schedule(tx, caller.sight, vm_uuid)
