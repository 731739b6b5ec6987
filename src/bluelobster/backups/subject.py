"""A backup as its operations see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.backups.mark import Mark, mark_of, marked
from bluelobster.db.pool import Tx
from bluelobster.events.record import BackupKind, record_instance
from bluelobster.pve import BackupVolume, PveClient
from bluelobster.tasks.task import Task


@dataclass(frozen=True)
class Subject:
    """Our row of a backup, with the names that its mark tells. `asked_by` is the prefix of the key behind the task."""

    id: UUID
    instance_id: UUID
    instance_name: str
    account_name: str
    host_id: str
    vmid: int
    storage: str
    volid: str | None
    status: str
    scheduled: bool
    asked_by: str | None

    @property
    def line(self) -> str:
        """The mark that its volume bears."""
        return marked(Mark(self.id, self.instance_id), self.instance_name, self.account_name)

    async def volume(self, pve: PveClient) -> BackupVolume | None:
        """Its volume in the storage. One that has lost its mark is known by its name."""
        volumes = await pve.backup_volumes(self.storage, self.vmid)
        ours = [each for each in volumes if (mark := mark_of(each.notes)) and mark.backup_id == self.id]
        named = [each for each in volumes if each.volid == self.volid and mark_of(each.notes) is None]
        return next(iter(ours + named), None)


async def read_subject(tx: Tx, task: Task) -> Subject:
    """The backup that a task is about, on the host that makes it; once it is made, on any that reaches its storage."""
    async with tx.cursor(row_factory=class_row(Subject)) as cursor:
        await cursor.execute(
            """select b.id, b.instance_id, i.name as instance_name, a.name as account_name, b.vmid,
                      b.storage, b.volid, b.status, b.scheduled, %s as asked_by,
                      coalesce((select h.id from hosts h
                                where h.region = made_by.region and h.backup_storage = b.storage
                                  and h.status not in ('offline', 'maintenance') and b.status <> 'creating'
                                order by h.id <> b.host_id, h.id limit 1), b.host_id) as host_id
               from backups b join instances i on i.id = b.instance_id join accounts a on a.id = b.account_id
               join hosts made_by on made_by.id = b.host_id
               where b.id = %s""",
            (task.key_prefix, task.backup_id),
        )
        found = await cursor.fetchone()
    if found is None:
        raise LookupError(f"backup {task.backup_id} has no row")
    return found


async def record_backup(tx: Tx, kind: BackupKind, backup: Subject, now: datetime, **more: str) -> None:
    """Something became of a backup, which is told of its instance."""
    told: dict[str, Any] = {"backup_id": str(backup.id), "volid": backup.volid, "scheduled": backup.scheduled}
    await record_instance(tx, kind, backup.instance_id, now, backup.asked_by, **told, **more)


def host_of(subject: Subject) -> str:
    return subject.host_id
