"""Delete a backup: from the request to room in its storage. Its instance, if it still is, is not touched."""

import logging
from datetime import datetime
from uuid import UUID

from bluelobster.backups.find import Backup, must_be_free
from bluelobster.backups.subject import Subject, host_of, read_subject, record_backup
from bluelobster.billing.backup_usage import end_backup_usage
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict
from bluelobster.pve import errors
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step
from bluelobster.tasks.spawn import Order, Origin, spawn

log = logging.getLogger(__name__)


async def request_deletion(tx: Tx, backup: Backup, origin: Origin, now: datetime) -> UUID:
    """Queue the deletion of a locked backup; its task's id. Raises Conflict for one that is being deleted or restored
    from, or is protected."""
    await must_be_free(tx, backup)
    if backup.protected:
        raise Conflict("backup_protected", f"Backup {backup.volid} is protected against deletion")
    await tx.execute("update backups set status = 'deleting' where id = %s", (backup.id,))
    params = {
        "vm_uuid": str(backup.instance_id),
        "host_id": backup.host_id,
        "account_id": str(origin.account_id),
        "backup_volid": backup.volid,
    }
    return await spawn(
        tx,
        Order(
            DELETE_BACKUP,
            backup.instance_id,
            params,
            "Backup deletion queued",
            origin,
            now,
            backup_id=backup.id,
            holds_instance=False,
        ),
    )


# The operation


async def remove_volume(backup: Subject, node: Node) -> None:
    """Take it out of its storage, if it is there."""
    try:
        volume = await backup.volume(node.pve)
        if volume is not None:
            await node.finish("remove", lambda: node.pve.delete_volume(backup.storage, volume.volid))
    except errors.VolumeProtected as error:
        async with node.writing() as tx:
            await tx.execute("update backups set protected = true where id = %s", (backup.id,))
        raise GiveUp("it is protected against deletion") from error
    except (errors.StorageUnavailable, errors.StorageNotFound) as error:
        log.error("host %s: deletion of %s: %s", backup.host_id, backup.volid, error)
        raise GiveUp("the backup storage does not answer; try again later") from error


async def forget(backup: Subject, tx: Tx, clock: Clock) -> Ended:
    """From here on it costs nothing."""
    now = clock.now()
    await tx.execute("update backups set status = 'deleted', ended_at = %s where id = %s", (now, backup.id))
    await end_backup_usage(tx, backup.id, now)
    await record_backup(tx, "backup.deleted", backup, now)
    return Ended("Backup deleted")


async def stay(backup: Subject, tx: Tx, _clock: Clock) -> None:
    """It stays the customer's, who may ask again."""
    await tx.execute("update backups set status = 'available' where id = %s", (backup.id,))


DELETE_BACKUP = Operation[Subject](
    name="delete_backup",
    load=read_subject,
    host_of=host_of,
    steps=(Step("Removing the backup from its storage", remove_volume),),
    done=forget,
    failed=stay,
    complaint="Failed to delete backup",
    deadline_seconds=30 * 60,
    takes_long=True,
)
