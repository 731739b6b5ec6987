"""The notes of a backup: kept with it in its storage, below the line by which we know it, and on our record."""

from typing import Any

from pydantic import field_validator

from bluelobster.access.audit import concerning
from bluelobster.access.principal import Sight
from bluelobster.backups.find import Backup, backup_not_found, find_backup, must_not_be_going
from bluelobster.backups.mark import Mark, mark_of, marked, with_notes
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.http.errors import Unavailable
from bluelobster.http.text import RequestBody
from bluelobster.pve import PveClient, errors

LONGEST = 2000


class BackupNotesUpdate(RequestBody):
    """New notes, in place of the old ones; an empty text removes them."""

    notes: str

    @field_validator("notes")
    @classmethod
    def _fits(cls, notes: str) -> str:
        if len(notes) > LONGEST:
            raise ValueError(f"Must have at most {LONGEST} characters")
        return notes


async def update_notes(
    pool: Pool, connections: Connections, sight: Sight, volid: str, wanted: BackupNotesUpdate
) -> dict[str, Any]:
    """Write them at once. Raises NotFound, Conflict while the backup is being deleted, and Unavailable."""
    missing = backup_not_found(volid)
    async with transaction(pool) as tx:
        backup = await find_backup(tx, sight, volid, missing)
        line = marked(Mark(backup.id, backup.instance_id), backup.instance_name, await account_name(tx, backup))
    concerning(backup.instance_id)
    must_not_be_going(backup)
    try:
        await write(await connections.to(backup.host_id), backup, line, wanted.notes)
    except errors.VolumeNotFound:
        raise missing from None
    except errors.PveError as error:
        message = "The backup storage does not answer at the moment; try again shortly"
        raise Unavailable("backup_storage_unavailable", message) from error
    async with transaction(pool) as tx:
        await tx.execute("update backups set notes = %s where id = %s", (wanted.notes or None, backup.id))
    return {"message": "Backup notes updated", "volid": backup.volid, "notes": wanted.notes or None}


async def write(pve: PveClient, backup: Backup, line: str, notes: str) -> None:
    """The line that its storage has stays; one that was lost comes back."""
    before = (await pve.volume_attributes(backup.storage, backup.volid)).notes
    first = before.partition("\n")[0] if mark_of(before) else line
    await pve.set_volume_notes(backup.storage, backup.volid, with_notes(first, notes))


async def account_name(tx: Tx, backup: Backup) -> str:
    cursor = await tx.execute("select name from accounts where id = %s", (backup.account_id,))
    row = await cursor.fetchone()
    return row[0] if row else ""
