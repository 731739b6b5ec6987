"""Begin a durable operation, in the transaction that reserves what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from bluelobster.db.pool import Tx
from bluelobster.events.record import recorded_task
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
    """An operation on an instance, as it is asked for. `message` is what the task says until a worker has it. Of those
    that hold the instance there is one at a time; `backup_id` is the backup that it makes, reads or removes."""

    operation: Operation[Any]
    instance_id: UUID
    params: Mapping[str, Any]
    message: str
    origin: Origin
    now: datetime
    backup_id: UUID | None = None
    holds_instance: bool = True


MAKE: LiteralString = """
    insert into tasks (id, account_id, instance_id, backup_id, holds_instance, operation, params, message, key_prefix,
                       client_ip, created_at, updated_at, deadline_at)
    values (%(id)s, %(account_id)s, %(instance_id)s, %(backup_id)s, %(holds_instance)s, %(operation)s, %(params)s,
            %(message)s, %(key_prefix)s, %(client_ip)s, %(now)s, %(now)s, %(deadline_at)s)
    on conflict (instance_id) where ended_at is null and holds_instance do nothing"""
MAKE_AND_RECORD = recorded_task(MAKE)
SPAWN = """
    select absurd.spawn_task(%(queue)s, %(operation)s, %(params)s, %(options)s), pg_notify(%(wake)s, '')
    from tasks where id = %(id)s"""
IS_DONE = recorded_task(
    "update tasks set status = 'COMPLETED', progress = 100, ended_at = %(now)s where id = %(task_id)s"
)


async def spawn(tx: Tx, order: Order) -> UUID:
    """Queue an operation; workers see it when the transaction commits. Raises Busy."""
    row = row_of(order)
    making = await tx.execute(MAKE_AND_RECORD, row)
    await tx.execute(
        SPAWN,
        {
            "queue": QUEUE,
            "operation": order.operation.name,
            "params": Jsonb({"task_id": str(row["id"])}),
            "options": Jsonb({"idempotency_key": str(row["id"])}),
            "wake": WAKE,
            "id": row["id"],
        },
    )
    if await making.fetchone() is None:
        raise Busy
    task_id: UUID = row["id"]
    return task_id


async def record_done(tx: Tx, order: Order) -> UUID:
    """A task with nothing to do: it is complete from the start. Raises Busy."""
    row = row_of(order)
    made = await tx.execute(MAKE, row)
    if made.rowcount == 0:
        raise Busy
    task_id: UUID = row["id"]
    await tx.execute(IS_DONE, {"task_id": task_id, "now": order.now})
    return task_id


def row_of(order: Order) -> dict[str, Any]:
    """What a new task begins with."""
    return {
        "id": uuid4(),
        "account_id": order.origin.account_id,
        "instance_id": order.instance_id,
        "backup_id": order.backup_id,
        "holds_instance": order.holds_instance,
        "operation": order.operation.name,
        "params": Jsonb(order.params),
        "message": order.message,
        "key_prefix": order.origin.key_prefix,
        "client_ip": order.origin.client_ip,
        "now": order.now,
        "deadline_at": order.now + timedelta(seconds=order.operation.deadline_seconds),
    }
