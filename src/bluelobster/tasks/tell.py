"""What a task says of itself while it runs."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.events.record import recorded_task

TELL = recorded_task(
    """update tasks set status = 'PROCESSING', message = %(message)s, progress = greatest(progress, %(progress)s),
                        updated_at = %(now)s, deadline_at = coalesce(%(deadline)s, deadline_at)
       where id = %(id)s and (status, message, progress)
             is distinct from ('PROCESSING', %(message)s, greatest(progress, %(progress)s))"""
)


async def tell(
    tx: Tx, task_id: UUID, message: str, now: datetime, progress: int = 0, *, deadline: datetime | None = None
) -> None:
    """The task is being carried out, and says this. `progress` (0..100) never goes back. What is said already changes
    nothing, and is no event. `deadline`, where it is said, is the task's from now on."""
    values = {"id": task_id, "message": message, "progress": progress, "now": now, "deadline": deadline}
    await tx.execute(TELL, values)
