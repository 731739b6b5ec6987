"""What nobody asks for any more: old tasks, and the engine's memory of them."""

from datetime import timedelta

from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, transaction
from bluelobster.tasks.spawn import QUEUE

MOST = 1000  # at once
KEEP = timedelta(days=7)


async def forget_old_tasks(pool: Pool, clock: Clock) -> None:
    """Remove tasks that ended more than seven days ago."""
    async with transaction(pool) as tx:
        await tx.execute("delete from tasks where ended_at < %s", (clock.now() - KEEP,))
    removed = MOST
    while removed == MOST:
        async with transaction(pool) as tx:
            cursor = await tx.execute("select absurd.cleanup_tasks(%s, %s, %s)", (QUEUE, KEEP.days * 86400, MOST))
            (removed,) = await cursor.fetchone() or (0,)
