"""Why an instance cannot be backed up or restored now, in the words that clients in the field know."""

from typing import Literal
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.http.errors import Conflict

# What runs, by the operation's name; anything else is no business of backups.
_RUNNING = {"backup_instance": "backup is", "restore_instance": "restore is"}


async def in_progress(tx: Tx, what: Literal["backup", "restore"], instance_id: UUID) -> Conflict:
    """The refusal of a backup or restore while another operation holds the instance."""
    cursor = await tx.execute(
        "select operation from tasks where instance_id = %s and ended_at is null and holds_instance", (instance_id,)
    )
    row = await cursor.fetchone()
    running = _RUNNING.get(row[0] if row else "", "another operation is")
    return Conflict("task_in_progress", f"Cannot start {what}: {running} already in progress for this instance")
