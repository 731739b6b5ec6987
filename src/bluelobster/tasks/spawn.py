"""Begin a durable operation, in the transaction that reserves what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from bluelobster.db.pool import Tx
from bluelobster.events.record import record_task
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
    team_id: UUID | None = None


@dataclass(frozen=True)
class Order:
    """An operation on an instance, as it is asked for. `message` is what the task says until a worker has it."""

    operation: Operation[Any]
    instance_id: UUID
    params: Mapping[str, Any]
    message: str
    origin: Origin
    now: datetime


async def spawn(tx: Tx, order: Order) -> UUID:
    """Queue an operation; workers see it when the transaction commits. Raises Busy."""
    task_id = await _insert(tx, order)
    options = {"idempotency_key": str(task_id)}
    await tx.execute(
        "select absurd.spawn_task(%s, %s, %s, %s)",
        (QUEUE, order.operation.name, Jsonb({"task_id": str(task_id)}), Jsonb(options)),
    )
    await tx.execute("select pg_notify(%s, '')", (WAKE,))
    await record_task(tx, task_id, order.now)
    return task_id


async def record_done(tx: Tx, order: Order) -> UUID:
    """A task with nothing to do: it is complete from the start. Raises Busy."""
    task_id = await _insert(tx, order)
    await tx.execute(
        "update tasks set status = 'COMPLETED', progress = 100, ended_at = %s where id = %s", (order.now, task_id)
    )
    await record_task(tx, task_id, order.now)
    return task_id


async def _insert(tx: Tx, order: Order) -> UUID:
    task_id = uuid4()
    row = {
        "id": task_id,
        "account_id": order.origin.account_id,
        "instance_id": order.instance_id,
        "operation": order.operation.name,
        "params": Jsonb(order.params),
        "message": order.message,
        "key_prefix": order.origin.key_prefix,
        "client_ip": order.origin.client_ip,
        "now": order.now,
        "deadline_at": order.now + timedelta(seconds=order.operation.deadline_seconds),
    }
    try:
        async with tx.transaction():
            await tx.execute(
                """insert into tasks (id, account_id, instance_id, operation, params, message, key_prefix, client_ip,
                                      created_at, updated_at, deadline_at)
                   values (%(id)s, %(account_id)s, %(instance_id)s, %(operation)s, %(params)s, %(message)s,
                           %(key_prefix)s, %(client_ip)s, %(now)s, %(now)s, %(deadline_at)s)""",
                row,
            )
    except UniqueViolation as error:
        if error.diag.constraint_name == "tasks_one_an_instance":
            raise Busy from error
        raise
    return task_id
