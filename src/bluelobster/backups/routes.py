"""The routes of backups: who may, what comes in, the one call that does it."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from bluelobster.access.audit import concerning
from bluelobster.access.route import MARKED, Caller, Database, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.backups.create import request_backup
from bluelobster.backups.delete import request_deletion
from bluelobster.backups.find import backup_not_found, find_backup
from bluelobster.backups.list import list_of_account, list_of_instance
from bluelobster.backups.notes import BackupNotesUpdate, update_notes
from bluelobster.backups.storage import summary
from bluelobster.backups.views import AccountBackups, BackupStorage, InstanceBackups, deletion_answer, started_answer
from bluelobster.catalog.connections import Connections
from bluelobster.http.text import CleanText
from bluelobster.instances.find import find_instance, instance_not_found
from bluelobster.instances.routes import From, Locked, connections_of

router = APIRouter(prefix="/api/v1", route_class=IdentifiedRoute, dependencies=MARKED)

INSTANCE = "/instances/{instance_id}"
Volid = Annotated[CleanText, Query(description="Volume of the backup, as the lists have it")]


@router.post(f"{INSTANCE}/backup", summary="Back an instance up", tags=["INSTANCES", "BACKUPS"])
async def create_instance_backup(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Make a backup of an instance, which goes on running; its guest's file systems are frozen for a moment so that
    they are whole in it. Only what the storage does not have yet is stored. One backup or restore at a time."""
    task_id, _ = await request_backup(tx, instance, origin, clock.now())
    return started_answer(instance, task_id)


@router.get(
    f"{INSTANCE}/backups",
    summary="Backups of an instance",
    tags=["INSTANCES", "BACKUPS"],
    response_model=InstanceBackups,
)
async def list_instance_backups(instance_id: str, caller: Caller, tx: Reading) -> Any:
    """The backups of an instance, newest first, and whether one is being made or restored."""
    instance = await find_instance(tx, caller.sight, instance_id, instance_not_found(instance_id))
    return await list_of_instance(tx, caller.sight, instance)


@router.get("/backups", summary="Backups of the account", tags=["BACKUPS"], response_model=AccountBackups)
async def list_all_backups(caller: Caller, tx: Reading) -> Any:
    """All backups, newest first, those of deleted instances too; with a key of a team, those of its instances."""
    return await list_of_account(tx, caller.sight)


@router.get("/backups/storage", summary="What backups take and cost", tags=["BACKUPS"], response_model=BackupStorage)
async def get_backup_storage(caller: Caller, tx: Reading, clock: Time) -> Any:
    """How much there is, by instance, deleted ones too, and what it has cost since the month began. Billed is the size
    of each backup for as long as it is there, by the second."""
    return await summary(tx, caller.sight, clock.now())


@router.delete("/backups", summary="Delete a backup", tags=["BACKUPS"])
async def delete_backup(volid: Volid, caller: Caller, origin: From, tx: Transaction, clock: Time) -> Any:
    """Delete a backup for good. Others stay whole, whatever they share with it. Not while it is being restored from,
    and not one that is protected."""
    backup = await find_backup(tx, caller.sight, volid, backup_not_found(volid), lock=True)
    concerning(backup.instance_id)
    return deletion_answer(backup, await request_deletion(tx, backup, origin, clock.now()))


@router.put("/backups/notes", summary="Change the notes of a backup", tags=["BACKUPS"])
async def update_backup_notes(
    volid: Volid,
    notes: BackupNotesUpdate,
    caller: Caller,
    pool: Database,
    connections: Annotated[Connections, Depends(connections_of)],
) -> Any:
    """Write down what a backup is; several lines are fine, and an empty text removes them."""
    return await update_notes(pool, connections, caller.sight, volid, notes)
