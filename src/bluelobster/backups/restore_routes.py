"""The routes of restores: who may, what comes in, the one call that does it."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Time, Transaction
from bluelobster.backups.restore_name import Naming
from bluelobster.backups.restore_request import restore_onto, restore_onto_itself
from bluelobster.http.body import OptionalJsonBody
from bluelobster.http.text import CleanText
from bluelobster.instances.routes import From

router = APIRouter(prefix="/api/v1", route_class=IdentifiedRoute)


@router.post(
    "/instances/{instance_id}/restore",
    summary="Restore an instance from a backup",
    tags=["INSTANCES", "BACKUPS"],
    dependencies=MARKED,
)
async def restore_instance_backup(
    instance_id: str, body: OptionalJsonBody, caller: Caller, origin: From, tx: Transaction, clock: Time
) -> Any:
    """Replace an instance's disk with what one of its backups has (`{"backup_volid": "…"}`), and start it. What was
    written since is lost.

    The instance goes on until the backup is back: then it is stopped for some seconds. A restore that fails leaves it
    as it was. It needs room for a second disk on the host for as long as it takes.
    """
    return await restore_onto_itself(tx, caller, instance_id, body, origin, clock.now())


@router.post("/backups/restore", summary="Restore a backup onto any instance", tags=["BACKUPS"], dependencies=MARKED)
async def restore_backup_to_vm(
    volid: Annotated[CleanText, Query(description="Volume of the backup")],
    target_vm_uuid: Annotated[CleanText, Query(description="The instance whose disk is replaced")],
    caller: Caller,
    origin: From,
    tx: Transaction,
    clock: Time,
    new_name: Annotated[CleanText | None, Query(description="Name of the instance from then on")] = None,
    add_restore_prefix: Annotated[bool, Query(description="Put `RESTORE-YYYYMMDD-` before the name")] = False,
    backup_source_name: Annotated[
        CleanText | None, Query(description="What the prefix stands before, without `new_name`")
    ] = None,
) -> Any:
    """Replace the disk of an instance with what a backup of another one has, and start it. The instance keeps its
    addresses, size, user and keys; its disk must be at least as big as the one that was backed up, its operating system
    of the same kind. It shows the template of the backup from then on.
    """
    naming = Naming(new_name, add_restore_prefix, backup_source_name)
    return await restore_onto(tx, caller, volid, target_vm_uuid, naming, origin, clock.now())
