"""A claimed run: its lease, its fence and its checkpoints, in the engine's own tables.

Absurd hands a task to one worker at a time, for as long as the worker keeps extending its claim. The run id is
the fence: whoever lost the claim can neither checkpoint nor complete.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg import sql
from psycopg.errors import DatabaseError
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bluelobster.db.pool import Pool, Tx
from bluelobster.tasks.spawn import QUEUE
from bluelobster.tasks.task import COLUMNS, Task

RUNS = sql.Identifier("absurd", f"r_{QUEUE}")
# The engine's own function for this looks at the run without locking it, and plans five statements each time.
NOTE = sql.SQL(
    """with held as materialized (select task_id from {} where run_id = %(run)s and state = 'running' for update)
       insert into {} as kept (task_id, checkpoint_name, state, status, owner_run_id, updated_at)
       select task_id, %(name)s, %(state)s, 'committed', %(run)s, clock_timestamp() from held
       on conflict (task_id, checkpoint_name) do update
       set state = excluded.state, owner_run_id = excluded.owner_run_id, updated_at = excluded.updated_at"""
).format(RUNS, sql.Identifier("absurd", f"c_{QUEUE}"))
CLAIM = """
    select run_id, task_id as engine_task, attempt, (params->>'task_id')::uuid as id
    from absurd.claim_task(%s, %s, %s, %s)"""
CLAIMED = sql.SQL("select {} from tasks where id = any(%s)").format(sql.SQL(COLUMNS))
# Of a run that was cancelled, failed, or has ended: for the last the engine has no code of its own.
LOST = frozenset({"AB001", "AB002", "P0001"})


class LeaseLost(Exception):
    """Another worker has this task now: whatever this one still had in mind must not happen."""


@dataclass
class Run:
    """One attempt at a task, which is as it was when it was claimed. `lease_seconds` is how long a claim holds without
    being extended."""

    id: UUID
    engine_task: UUID
    task: Task
    attempt: int
    lease_seconds: int
    held_until: float
    checkpoints: dict[str, Any] = field(default_factory=dict)

    @property
    def task_id(self) -> UUID:
        return self.task.id

    @property
    def is_first(self) -> bool:
        """Whether nobody has tried before: what others may have left need not be looked for."""
        return self.attempt == 1

    def must_hold(self) -> None:
        """Raises LeaseLost once the claim may have passed on, as after a pause of the whole process."""
        if time.monotonic() >= self.held_until:
            raise LeaseLost

    async def extend(self, pool: Pool) -> None:
        """Keep the claim for another `lease_seconds`; raises LeaseLost."""
        asked = time.monotonic()
        async with pool.connection() as connection, fenced():
            await connection.execute("select absurd.extend_claim(%s, %s, %s)", (QUEUE, self.id, self.lease_seconds))
        self.held_until = asked + self.lease_seconds

    async def lock(self, tx: Tx) -> None:
        """Hold the run's row until the transaction ends, so that no lease can expire in between."""
        cursor = await tx.execute(
            sql.SQL("select state = 'running' from {} where run_id = %s for update").format(RUNS), (self.id,)
        )
        row = await cursor.fetchone()
        if row is None or not row[0]:
            raise LeaseLost

    async def load_checkpoints(self, tx: Tx) -> None:
        cursor = await tx.execute(
            "select checkpoint_name, state from absurd.get_task_checkpoint_states(%s, %s, %s)",
            (QUEUE, self.engine_task, self.id),
        )
        self.checkpoints = dict(await cursor.fetchall())

    async def checkpoint(self, tx: Tx, name: str, state: Any) -> None:
        """Remember `state` under `name`, and hold the run's row as `lock` does."""
        done = await tx.execute(NOTE, {"run": self.id, "name": name, "state": Jsonb(state)})
        if done.rowcount != 1:
            raise LeaseLost
        self.checkpoints[name] = state

    async def save(self, pool: Pool, name: str, state: Any) -> None:
        """A checkpoint in a transaction of its own."""
        async with pool.connection() as connection:
            await self.checkpoint(connection, name, state)

    async def complete(self, tx: Tx) -> None:
        """The engine's end of the task."""
        async with fenced():
            await tx.execute("select absurd.complete_run(%s, %s)", (QUEUE, self.id))

    async def hand_back(self, pool: Pool, reason: str, at: datetime | None) -> None:
        """Let any worker go on with the task, from `at` on (now, without it); raises LeaseLost."""
        async with pool.connection() as connection, fenced():
            await connection.execute(
                "select absurd.fail_run(%s, %s, %s, %s)", (QUEUE, self.id, Jsonb({"message": reason}), at)
            )


class fenced:  # noqa: N801 - reads as the statement it is
    """Turns the engine's refusal of a run that lost its claim into LeaseLost."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, DatabaseError) and error.sqlstate in LOST:
            raise LeaseLost from error


async def claim(pool: Pool, worker: str, lease_seconds: int, most: int) -> list[Run]:
    """Take up to `most` tasks that are due, and fail the claims of workers that went silent."""
    asked = time.monotonic()
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(CLAIM, (QUEUE, worker, lease_seconds, most))
        claims = await cursor.fetchall()
        if not claims:
            return []
        # A statement of its own: the engine claims tasks that were committed after the first one began to look.
        await cursor.execute(CLAIMED, ([each["id"] for each in claims],))
        tasks = {row["id"]: Task(**row) for row in await cursor.fetchall()}
    return [
        Run(
            id=each["run_id"],
            engine_task=each["engine_task"],
            attempt=each["attempt"],
            task=tasks[each["id"]],
            lease_seconds=lease_seconds,
            held_until=asked + lease_seconds,
        )
        for each in claims
        if each["id"] in tasks
    ]
