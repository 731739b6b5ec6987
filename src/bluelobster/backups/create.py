"""Back an instance up: from the request to a volume in the backup storage, or to nothing at all."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from bluelobster.backups.busy import in_progress
from bluelobster.backups.lock import wait_until_unlocked
from bluelobster.backups.mark import mark_of
from bluelobster.backups.outcome import completed, failed
from bluelobster.backups.progress import Follow, stored_bytes_in, volid_in
from bluelobster.backups.subject import Subject, read_subject, record_backup
from bluelobster.billing.backup_usage import begin_backup_usage
from bluelobster.billing.require import require_not_suspended
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest
from bluelobster.instances.find import Found, must_be_rented
from bluelobster.instances.machine import Machine, load_machine
from bluelobster.pve import Upid, backup_failure, errors
from bluelobster.quotas.require import require_quotas
from bluelobster.tasks.node import Node
from bluelobster.tasks.operation import Ended, GiveUp, Operation, Step, TryAgain
from bluelobster.tasks.spawn import Busy, Order, Origin, spawn
from bluelobster.tasks.task import Task

log = logging.getLogger(__name__)

CALL = "backup"
COMPLAINT = "Failed to back up instance"
LISTED_WITHIN_SECONDS = 30.0
STOPPED_WITHIN_SECONDS = 60.0


async def request_backup(
    tx: Tx, instance: Found, origin: Origin, now: datetime, *, scheduled: bool = False
) -> tuple[UUID, UUID]:
    """Queue a backup; the ids of its task and its own. Raises InvalidRequest for an instance that is not rented or has
    no backup storage, QuotaExceeded, PaymentRequired, and Conflict while another operation runs."""
    must_be_rented(instance)
    await require_not_suspended(tx, origin.account_id)
    backup_id = uuid4()
    done = await tx.execute(
        """insert into backups (id, account_id, instance_id, host_id, vmid, storage, status, scheduled, disk_gb,
                                template, requested_at)
           select %s, i.account_id, i.id, h.id, i.vmid, h.backup_storage, 'creating', %s, i.disk_gb, i.template, %s
           from instances i join hosts h on h.id = i.host_id where i.id = %s and h.backup_storage is not null""",
        (backup_id, scheduled, now, instance.id),
    )
    if not done.rowcount:
        raise InvalidRequest("backups_unavailable", "There is no backup storage where this instance is")
    await require_quotas(tx, origin.account_id, {"backups": 1})
    params = {
        "vm_uuid": str(instance.id),
        "host_id": instance.host_id,
        "account_id": str(origin.account_id),
        "scheduled": scheduled,
    }
    try:
        return await spawn(tx, Order(BACKUP, instance.id, params, "Backup queued", origin, now, backup_id)), backup_id
    except Busy:
        raise await in_progress(tx, "backup", instance.id) from None


# The operation


@dataclass(frozen=True)
class NewBackup(Subject):
    """A backup that is being made, with its machine; `said` is the last word of its task."""

    machine: Machine
    said: str


async def load(tx: Tx, task: Task) -> NewBackup:
    subject = await read_subject(tx, task)
    return NewBackup(**vars(subject), machine=await load_machine(tx, task), said=task.message)


def host_of(backup: NewBackup) -> str:
    return backup.host_id


async def back_up(backup: NewBackup, node: Node) -> None:
    """Let the hypervisor make it. What an earlier try began, or has ended, is not begun again."""
    follow = Follow(node)
    with explained(backup, follow.lines):
        if not node.has_begun(CALL) and await backup.volume(node.pve) is not None:
            return
        await node.finish(CALL, lambda: begin(backup, node), follow)
    async with node.writing() as tx:
        await tx.execute(
            "update backups set stored_bytes = %s, volid = %s where id = %s",
            (stored_bytes_in(follow.lines), volid_in(follow.lines, backup.storage), backup.id),
        )


async def begin(backup: NewBackup, node: Node) -> Upid | None:
    """The hypervisor's task: the one that an earlier try began, whose answer was lost, or a new one."""
    own = await running(backup, node)
    if own is not None:
        return own
    await wait_until_unlocked(backup.machine, node)
    return await node.pve.start_backup(backup.vmid, backup.storage, backup.line)


async def running(backup: NewBackup, node: Node) -> Upid | None:
    """The hypervisor's task that makes this backup, which its log begins with; None when none does. One that waits for
    others does not tell yet: it is waited for."""
    for task in await node.pve.running_tasks(backup.vmid):
        if task.type == "vzdump":
            first = FirstLine(node, task)
            await node.until(first.is_there)
            if str(backup.id) in first.text:
                return task
    return None


@dataclass
class FirstLine:
    """What a task of the hypervisor was asked to do, as its log says when it begins to do it."""

    node: Node
    task: Upid
    text: str = ""

    async def is_there(self) -> bool:
        """Whether it says so, or has ended."""
        lines = await self.node.pve.task_log(self.task, limit=5)
        self.text = next((line for line in lines if "starting new backup job:" in line), "")
        return bool(self.text) or not (await self.node.pve.task_status(self.task)).running


REASONS: tuple[tuple[type[errors.PveError], str], ...] = (
    (errors.StorageFull, "the backup storage is full"),
    (errors.StorageUnavailable, "the backup storage does not answer"),
    (errors.StorageNotFound, "the backup storage does not answer"),
    (errors.VmNotFound, "the hypervisor does not have the machine"),
    (errors.TaskFailed, "the hypervisor could not finish it"),
)


@contextmanager
def explained(backup: NewBackup, lines: list[str]) -> Iterator[None]:
    """GiveUp, with a reason for the customer, for what will not pass by itself. `lines` are the log of the hypervisor's
    task."""
    try:
        yield
    except errors.PveError as error:
        cause = backup_failure(error, lines)
        reason = next((words for kind, words in REASONS if isinstance(cause, kind)), None)
        if reason is None:
            raise
        names = (backup.host_id, backup.id, backup.vmid, backup.storage, cause)
        log.error("host %s: backup %s of machine %s to %s: %s", *names)
        raise GiveUp(reason) from error


async def look_up(backup: NewBackup, node: Node) -> None:
    """Note the volume as the storage lists it. Only a backup server keeps what several backups share once."""
    with explained(backup, []):
        await node.until(lambda: _is_listed(backup, node), LISTED_WITHIN_SECONDS)
        volume = await backup.volume(node.pve)
        if volume is None:
            raise GiveUp("the backup storage does not have it")
        if mark_of(volume.notes) is None:
            await node.pve.set_volume_notes(backup.storage, volume.volid, backup.line)
    async with node.writing() as tx:
        await tx.execute(
            """update backups set volid = %(volid)s, size_bytes = %(size_bytes)s, format = %(format)s,
                                  protected = %(protected)s, created_at = to_timestamp(%(created_at)s),
                                  stored_bytes = case when %(format)s like 'pbs-%%' then stored_bytes
                                                 else %(size_bytes)s end
               where id = %(id)s""",
            {**vars(volume), "id": backup.id},
        )


async def _is_listed(backup: NewBackup, node: Node) -> bool:
    return await backup.volume(node.pve) is not None


async def remove(backup: NewBackup, node: Node) -> None:
    """Leave nothing of it: neither the hypervisor's task nor a volume. A storage that is away is cleaned up by the
    reconciliation once it is back."""
    if (task := await running(backup, node)) is not None:
        await node.pve.stop_task(task)
        if not await node.until(lambda: _is_stopped(backup, node), STOPPED_WITHIN_SECONDS):
            raise TryAgain("the hypervisor is still making the backup")
    try:
        volume = await backup.volume(node.pve)
        if volume is not None:
            await node.finish("remove", lambda: node.pve.delete_volume(backup.storage, volume.volid))
    except (errors.StorageUnavailable, errors.StorageNotFound) as error:
        log.error("host %s: what is left of backup %s is in %s: %s", backup.host_id, backup.id, backup.storage, error)


async def _is_stopped(backup: NewBackup, node: Node) -> bool:
    return await running(backup, node) is None


async def keep(backup: NewBackup, tx: Tx, clock: Clock) -> Ended:
    """From here on the backup is the customer's, and costs."""
    now = clock.now()
    await tx.execute("update backups set status = 'available' where id = %s", (backup.id,))
    await begin_backup_usage(tx, backup.id, now)
    await record_backup(tx, "backup.completed", backup, now)
    await completed(tx, backup.id, now)
    return Ended("Backup completed")


async def drop(backup: NewBackup, tx: Tx, clock: Clock) -> None:
    now = clock.now()
    await tx.execute("update backups set status = 'failed', ended_at = %s where id = %s", (now, backup.id))
    await record_backup(tx, "backup.failed", backup, now, message=backup.said)
    await failed(tx, backup.id, backup.said.removeprefix(f"{COMPLAINT}: "))


BACKUP = Operation[NewBackup](
    name="backup_instance",
    load=load,
    host_of=host_of,
    steps=(
        Step("Backing up", back_up, undo=remove),
        Step("Looking the backup up in its storage", look_up),
    ),
    done=keep,
    failed=drop,
    complaint=COMPLAINT,
    deadline_seconds=24 * 3600,
    takes_long=True,
)
