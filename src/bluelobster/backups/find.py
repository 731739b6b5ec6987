"""Look a backup up within the caller's sight, and what else is being done with it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.principal import Sight
from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict, NotFound
from bluelobster.http.text import CONTROL


@dataclass(frozen=True)
class Backup:
    """A backup that is in its storage. `disk_gb` is the size of the disk that it is of, `size_bytes` what the storage
    says it would take by itself, `stored_bytes` what it added to the storage. `notes` are the customer's."""

    id: UUID
    account_id: UUID
    instance_id: UUID
    instance_name: str
    region: str
    host_id: str
    vmid: int
    storage: str
    volid: str
    status: str
    scheduled: bool
    protected: bool
    disk_gb: int
    size_bytes: int
    stored_bytes: int | None
    format: str
    notes: str | None
    created_at: datetime

    @property
    def is_being_deleted(self) -> bool:
        return self.status == "deleting"


SELECT = """select b.id, b.account_id, b.instance_id, i.name as instance_name, h.region, b.host_id, b.vmid, b.storage,
                   b.volid, b.status, b.scheduled, b.protected, b.disk_gb, b.size_bytes, b.stored_bytes, b.format,
                   b.notes, b.created_at
            from backups b join instances i on i.id = b.instance_id join hosts h on h.id = b.host_id"""
# Within a caller's sight: the account's, or those of the team's instances, deleted ones too.
VISIBLE = """b.account_id = %(account_id)s and (%(team_id)s::uuid is null or i.team_id = %(team_id)s)
             and b.status in ('available', 'deleting')"""


def backup_not_found(volid: str) -> NotFound:
    return NotFound("backup_not_found", f"Backup {CONTROL.sub('?', volid)[:128]} not found")


async def find_backup(tx: Tx, sight: Sight, volid: str, missing: NotFound, *, lock: bool = False) -> Backup:
    """A backup within the caller's sight, by the volume that Proxmox knows it as; raises `missing`. With `lock`, its
    row stays as it is until the end of `tx`: nobody begins to delete or to restore it meanwhile."""
    if CONTROL.search(volid):
        raise missing
    async with tx.cursor(row_factory=class_row(Backup)) as cursor:
        await cursor.execute(
            f"{SELECT} where {VISIBLE} and b.volid = %(volid)s" + (" for update of b" if lock else ""),
            {"volid": volid, **vars(sight)},
        )
        found = await cursor.fetchone()
    if found is None:
        raise missing
    return found


async def hold_backup(tx: Tx, backup_id: UUID) -> Backup | None:
    """An available backup, which stays as it is until the end of `tx`; None where it is gone, or going."""
    async with tx.cursor(row_factory=class_row(Backup)) as cursor:
        await cursor.execute(f"{SELECT} where b.id = %s and b.status = 'available' for update of b", (backup_id,))
        return await cursor.fetchone()


def must_not_be_going(backup: Backup) -> None:
    """Raises Conflict while the backup is being deleted."""
    if backup.is_being_deleted:
        raise Conflict("delete_in_progress", f"Backup {backup.volid} is being deleted", volid=backup.volid)


async def is_being_restored(tx: Tx, backup: Backup) -> bool:
    """Whether a restore from the backup runs, onto whichever instance; certain when the backup is locked."""
    cursor = await tx.execute(
        """select exists (select from tasks
                          where backup_id = %s and ended_at is null and operation like 'restore%%')""",
        (backup.id,),
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def must_be_free(tx: Tx, backup: Backup) -> None:
    """Raises Conflict while a locked backup is being deleted, or restored from: it cannot go away then."""
    must_not_be_going(backup)
    if await is_being_restored(tx, backup):
        raise Conflict(
            "restore_in_progress", f"Backup {backup.volid} is being restored from; try again when that has ended"
        )
