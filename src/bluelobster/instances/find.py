"""Look an instance up within the caller's sight, and begin an operation on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.access.principal import Sight
from bluelobster.db.pool import Tx
from bluelobster.http.errors import ApiError, InvalidRequest, NotFound
from bluelobster.http.ids import parsed_id
from bluelobster.instances.machine import Machine
from bluelobster.tasks.operation import Operation
from bluelobster.tasks.spawn import Busy, Order, Origin, spawn


@dataclass(frozen=True)
class Found:
    """What a request needs to know of an instance."""

    id: UUID
    name: str
    region: str
    host_id: str
    vmid: int
    vcpus: int
    memory_gb: int
    status: str
    power_status: str


def instance_not_found(instance_id: str) -> NotFound:
    return NotFound("instance_not_found", f"Instance {instance_id[:64]} not found")


async def find_instance(tx: Tx, sight: Sight, instance_id: str, missing: NotFound, *, lock: bool = False) -> Found:
    """A live instance within the caller's sight; raises `missing`. With `lock`, its row stays as it is until the end
    of `tx`."""
    async with tx.cursor(row_factory=class_row(Found)) as cursor:
        await cursor.execute(
            """select id, name, region, host_id, vmid, vcpus, memory_gb, status, power_status from instances
               where id = %(id)s and account_id = %(account_id)s and ended_at is null
                 and (%(team_id)s::uuid is null or team_id = %(team_id)s)"""
            + (" for no key update" if lock else ""),
            {"id": parsed_id(instance_id), **vars(sight)},
        )
        found = await cursor.fetchone()
    if found is None:
        raise missing
    return found


def must_be_rented(instance: Found) -> None:
    """Raises InvalidRequest while the instance is being made or deleted."""
    if instance.status != "rented":
        raise InvalidRequest("invalid_state", f"VM is not in 'rented' status: {instance.status}")


def busy() -> InvalidRequest:
    """Clients in the field retry on exactly this."""
    return InvalidRequest("invalid_state", "Another operation is in progress on this Instance")


async def begin(
    tx: Tx,
    operation: Operation[Machine],
    instance: Found,
    origin: Origin,
    now: datetime,
    when_busy: ApiError,
    message: str,
) -> UUID:
    """Queue an operation on an instance; raises `when_busy` while another one runs."""
    try:
        return await spawn(tx, order(operation, instance.id, instance.host_id, origin, now, message))
    except Busy:
        raise when_busy from None


def order(
    operation: Operation[Machine], instance_id: UUID, host_id: str, origin: Origin, now: datetime, message: str
) -> Order:
    """An operation on an instance, with the parameters that its task shows."""
    params = {"vm_uuid": str(instance_id), "host_id": host_id, "account_id": str(origin.account_id)}
    return Order(operation, instance_id, params, message, origin, now)


def queued_answer(instance: Found, task_id: UUID, status: str, message: str) -> Mapping[str, Any]:
    """What the operations that answer at once say."""
    return {
        "task_id": str(task_id),
        "status": status,
        "message": message,
        "instance_id": str(instance.id),
        "host": instance.host_id,
    }
