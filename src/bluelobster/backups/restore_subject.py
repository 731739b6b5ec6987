"""A restore as its steps see it: the instance, the backup, and the two machines."""

from dataclasses import dataclass, replace
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Tx
from bluelobster.instances.machine import Machine, load_machine
from bluelobster.tasks.task import Task


@dataclass(frozen=True)
class Source:
    """The backup, and what its system promises."""

    id: UUID
    instance_id: UUID
    volid: str
    stored_bytes: int
    template: str | None
    has_agent: bool
    has_cloud_init: bool


@dataclass(frozen=True)
class Restore:
    """A restore as its steps see it. `restoring_vmid` is the new machine's number until it takes the instance's place;
    from then on, `replaced_vmid` is the old one's."""

    instance: Machine
    source: Source
    restoring_vmid: int | None
    replaced_vmid: int | None
    new_name: str | None

    @property
    def switched(self) -> bool:
        return self.replaced_vmid is not None

    @property
    def old(self) -> Machine:
        """The machine as it was."""
        return replace(self.instance, vmid=known(self.replaced_vmid)) if self.switched else self.instance

    @property
    def new(self) -> Machine:
        """The one that is made from the backup, with the instance's identity and the system of the backup."""
        return replace(
            self.instance,
            vmid=self.instance.vmid if self.switched else known(self.restoring_vmid),
            name=self.new_name or self.instance.name,
            has_agent=self.source.has_agent,
            has_cloud_init=self.source.has_cloud_init,
        )

    @property
    def keeps_password(self) -> bool:
        """Its own, or, where it has no key, the one by which the backed-up machine was logged in to."""
        return self.source.instance_id == self.instance.id or not self.instance.ssh_key


def known(vmid: int | None) -> int:
    if vmid is None:
        raise LookupError("the restore lost the number of its machine")
    return vmid


def host_of(restore: Restore) -> str:
    return restore.instance.host_id


async def load_restore(tx: Tx, task: Task) -> Restore:
    """The restore that a task is about."""
    async with tx.cursor(row_factory=class_row(Source)) as cursor:
        await cursor.execute(
            """select b.id, b.instance_id, b.volid, coalesce(b.stored_bytes, 0) as stored_bytes, b.template,
                      coalesce(t.has_agent, false) as has_agent, coalesce(t.has_cloud_init, false) as has_cloud_init
               from backups b left join templates t on t.name = b.template where b.id = %s""",
            (task.backup_id,),
        )
        source = await cursor.fetchone()
    numbers = await tx.execute("select restoring_vmid, replaced_vmid from instances where id = %s", (task.instance_id,))
    row = await numbers.fetchone()
    if source is None or row is None:
        raise LookupError(f"task {task.id} lost its backup or its instance")
    restoring_vmid, replaced_vmid = row
    machine = await load_machine(tx, task)
    return Restore(machine, source, restoring_vmid, replaced_vmid, task.params.get("new_name"))
