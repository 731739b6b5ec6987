"""A restore as it is asked for: everything that can be refused is refused before anything is touched."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.audit import concerning
from bluelobster.access.principal import Principal
from bluelobster.backups.busy import in_progress
from bluelobster.backups.find import Backup, backup_not_found, find_backup
from bluelobster.backups.restore import RESTORE
from bluelobster.backups.restore_name import Naming, must_be_free
from bluelobster.billing.require import require_not_suspended
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, InvalidRequest, NotFound
from bluelobster.instances.find import Found, find_instance, instance_not_found
from bluelobster.tasks.spawn import Busy, Order, Origin, spawn

SYSTEMS = {"linux": "a Linux system", "windows": "a Windows system", "other": "a system installed from an ISO image"}


@dataclass(frozen=True)
class Fit:
    """What of an instance and a backup has to fit together."""

    region: str
    backup_storage: str | None
    disk_gb: int
    os_type: str
    has_user_data: bool
    has_cloud_init: bool
    backed_up_os_type: str
    backed_up_has_cloud_init: bool


async def restore_onto_itself(
    tx: Tx, caller: Principal, instance_id: str, body: object, origin: Origin, now: datetime
) -> dict[str, Any]:
    """Queue the restore of an instance from a backup of its own. Raises NotFound, InvalidRequest, PaymentRequired,
    Conflict."""
    missing = instance_not_found(instance_id)
    instance = await find_instance(tx, caller.sight, instance_id, missing)
    volid = body.get("backup_volid") if isinstance(body, dict) else None
    if not isinstance(volid, str) or not volid.strip():
        raise InvalidRequest("missing_backup_volid", "backup_volid is required")
    backup = await find_backup(tx, caller.sight, volid, backup_not_found(volid))
    if backup.instance_id != instance.id:
        message = f"{backup_not_found(volid).message} among those of this instance"
        raise NotFound("backup_not_found", f"{message}; POST /api/v1/backups/restore restores those of others")
    task_id = await _begin(tx, caller, volid, instance, missing, None, origin, now)
    return {
        "message": "Restore started",
        "task_id": str(task_id),
        "status": "PENDING",
        "instance_id": str(instance.id),
        "backup_volid": volid,
    }


async def restore_onto(
    tx: Tx, caller: Principal, volid: str, target: str, naming: Naming, origin: Origin, now: datetime
) -> dict[str, Any]:
    """Queue the restore of any backup onto any instance that it fits. Raises NotFound, InvalidRequest,
    PaymentRequired, Conflict."""
    backup = await find_backup(tx, caller.sight, volid, backup_not_found(volid))
    missing = instance_not_found(target)
    instance = await find_instance(tx, caller.sight, target, missing)
    name = naming.name(backup.instance_name, now)
    if name is not None:
        await must_be_free(tx, caller.account_id, instance.id, name)
    task_id = await _begin(tx, caller, volid, instance, missing, name, origin, now)
    concerning(instance.id)
    return {
        "message": "Restore started",
        "task_id": str(task_id),
        "status": "PENDING",
        "instance_id": str(instance.id),
        "target_vm_uuid": str(instance.id),
        "backup_volid": volid,
        "name": name or instance.name,
    }


async def _begin(
    tx: Tx,
    caller: Principal,
    volid: str,
    found: Found,
    missing: NotFound,
    name: str | None,
    origin: Origin,
    now: datetime,
) -> UUID:
    """With backup and instance held, in this order, look whether the one can become the other; then take the
    room for a second disk, and the number of the machine that will have it."""
    await require_not_suspended(tx, caller.account_id)
    backup = await find_backup(tx, caller.sight, volid, backup_not_found(volid), lock=True)
    instance = await find_instance(tx, caller.sight, str(found.id), missing, lock=True)
    if backup.is_being_deleted:
        raise Conflict("task_in_progress", "Cannot start restore: the backup is being deleted")
    fit = await _fit(tx, backup, instance)
    must_fit(backup, fit)
    params = {
        "vm_uuid": str(instance.id),
        "host_id": instance.host_id,
        "account_id": str(origin.account_id),
        "backup_volid": backup.volid,
        **({"new_name": name} if name else {}),
    }
    try:
        task_id = await spawn(
            tx, Order(RESTORE, instance.id, params, "Restore queued", origin, now, backup_id=backup.id)
        )
    except Busy:
        raise await in_progress(tx, "restore", instance.id) from None
    await tx.execute(
        "update instances set restoring_vmid = nextval('vmids'), updated_at = %s where id = %s", (now, instance.id)
    )
    await _take_room(tx, instance, fit.disk_gb)
    return task_id


async def _fit(tx: Tx, backup: Backup, instance: Found) -> Fit:
    async with tx.cursor(row_factory=class_row(Fit)) as cursor:
        await cursor.execute(
            """select i.region, h.backup_storage, i.disk_gb, coalesce(t.os_type, 'other') as os_type,
                      i.user_data_sealed is not null as has_user_data,
                      coalesce(t.has_cloud_init, false) as has_cloud_init,
                      coalesce(s.os_type, 'other') as backed_up_os_type,
                      coalesce(s.has_cloud_init, false) as backed_up_has_cloud_init
               from instances i join hosts h on h.id = i.host_id left join templates t on t.name = i.template
               join backups b on b.id = %s left join templates s on s.name = b.template
               where i.id = %s""",
            (backup.id, instance.id),
        )
        fit = await cursor.fetchone()
    if fit is None:
        raise LookupError(f"instance {instance.id} has no row")
    return fit


def must_fit(backup: Backup, fit: Fit) -> None:
    """Raises InvalidRequest where the instance could not become what the backup is."""
    if (fit.region, fit.backup_storage) != (backup.region, backup.storage):
        raise InvalidRequest(
            "incompatible_target",
            f"The backup is stored in region {backup.region}; an instance of region {fit.region}, or on a host that "
            "does not reach its storage, cannot be restored from it",
        )
    if fit.disk_gb < backup.disk_gb:
        raise InvalidRequest(
            "disk_too_small",
            f"The backup is of a disk of {backup.disk_gb} GB, and the instance's disk has {fit.disk_gb} GB: restore it "
            f"onto an instance whose disk has at least {backup.disk_gb} GB",
            backup_disk_gb=backup.disk_gb,
            instance_disk_gb=fit.disk_gb,
        )
    if fit.os_type != fit.backed_up_os_type:
        raise InvalidRequest(
            "incompatible_target",
            f"The backup is of {SYSTEMS[fit.backed_up_os_type]}, and the instance is made for "
            f"{SYSTEMS[fit.os_type]}: restore it onto one of its own kind",
        )
    if fit.has_user_data and fit.has_cloud_init != fit.backed_up_has_cloud_init:
        raise InvalidRequest(
            "incompatible_target",
            "The instance was launched with user data, which the system in the backup reads in another way; restore it "
            "onto an instance without user data",
        )


async def _take_room(tx: Tx, instance: Found, disk_gb: int) -> None:
    """The old machine stays until the new one is whole: for this long there are two disks. Raises Conflict."""
    done = await tx.execute(
        "update hosts set disk_gb_used = disk_gb_used + %s where id = %s and disk_gb - disk_gb_used >= %s",
        (disk_gb, instance.host_id, disk_gb),
    )
    if done.rowcount == 0:
        raise Conflict(
            "insufficient_storage",
            f"A restore needs {disk_gb} GB on host {instance.host_id} besides the disk that it replaces, and the host "
            "has not so much left; nothing was changed. Try again later, or restore onto another instance",
            required_gb=disk_gb,
        )
