"""What nobody asks for any more: old tasks, and the engine's memory of them."""

from datetime import timedelta

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, transaction
from bluelobster.tasks.spawn import QUEUE

KEEP = timedelta(days=7)


async def forget_old_tasks(pool: Pool, clock: Clock) -> None:
    """Remove tasks that ended more than seven days ago."""
    async with transaction(pool) as tx:
        await tx.execute("delete from tasks where ended_at < %s", (clock.now() - KEEP,))
        await tx.execute("select absurd.cleanup_tasks(%s, %s)", (QUEUE, int(KEEP.total_seconds())))
