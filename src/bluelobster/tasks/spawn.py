"""Begin a durable operation, in the transaction that reserves what it needs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from bluelobster.db.pool import Tx
from bluelobster.tasks.operation import Operation

QUEUE = "operations"
WAKE = "operations_spawned"


class Busy(Exception):
    """The instance has an operation running already: one at a time."""


@dataclass(frozen=True)
class Origin:
    """On whose behalf, and from where, a task was asked for."""

    account_id: UUID
    key_prefix: str | None
    client_ip: str | None


async def spawn(
    tx: Tx,
    operation: Operation[Any],
    origin: Origin,
    instance_id: UUID,
    params: dict[str, Any],
    message: str,
    now: datetime,
) -> UUID:
    """Queue an operation on an instance; workers see it when the transaction commits. Raises Busy."""
    task_id = await _insert(tx, operation, origin, instance_id, params, message, now)
    options = {"idempotency_key": str(task_id)}
    await tx.execute(
        "select absurd.spawn_task(%s, %s, %s, %s)",
        (QUEUE, operation.name, Jsonb({"task_id": str(task_id)}), Jsonb(options)),
    )
    await tx.execute("select pg_notify(%s, '')", (WAKE,))
    return task_id


async def record_done(
    tx: Tx,
    operation: Operation[Any],
    origin: Origin,
    instance_id: UUID,
    params: dict[str, Any],
    message: str,
    now: datetime,
) -> UUID:
    """A task with nothing to do: it is complete from the start. Raises Busy."""
    task_id = await _insert(tx, operation, origin, instance_id, params, message, now)
    await tx.execute(
        "update tasks set status = 'COMPLETED', progress = 100, ended_at = %s where id = %s", (now, task_id)
    )
    return task_id


async def _insert(
    tx: Tx,
    operation: Operation[Any],
    origin: Origin,
    instance_id: UUID,
    params: dict[str, Any],
    message: str,
    now: datetime,
) -> UUID:
    task_id = uuid4()
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into tasks (id, account_id, instance_id, operation, params, message, key_prefix, client_ip,
                                      created_at, updated_at, deadline_at)
                   values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
                (
                    task_id,
                    origin.account_id,
                    instance_id,
                    operation.name,
                    Jsonb(params),
                    message,
                    origin.key_prefix,
                    origin.client_ip,
                    now,
                    now,
                    now + timedelta(seconds=operation.deadline_seconds),
                ),
            )
    except UniqueViolation as error:
        if error.diag.constraint_name == "tasks_one_an_instance":
            raise Busy from error
        raise
    return task_id
