"""Wait for a task's end, for the few answers that come only then."""

import asyncio
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.db.pool import Pool
from bluelobster.tasks.task import COLUMNS, Task


async def wait_until_ended(pool: Pool, task_id: UUID, seconds: float) -> Task:
    """The task, ended or as it stands after `seconds`."""
    pause = 0.03
    waited = 0.0
    while True:
        async with pool.connection() as connection, connection.cursor(row_factory=class_row(Task)) as cursor:
            await cursor.execute(f"select {COLUMNS} from tasks where id = %s", (task_id,))
            task = await cursor.fetchone()
        if task is None:
            raise LookupError(f"task {task_id} has no row")
        if task.has_ended or waited >= seconds:
            return task
        await asyncio.sleep(pause)
        waited += pause
        pause = min(pause * 1.5, 0.5)
