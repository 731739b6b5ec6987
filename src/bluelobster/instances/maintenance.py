"""Maintenance of a host: planned, told to those whose machines are there, and over when it is said to be.

What is to be stopped or started again is looked for again and again (`carry_out`): a machine that is busy is passed
over and found later, and one that its owner stopped stays stopped.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, LiteralString
from uuid import UUID, uuid4

from psycopg.rows import class_row

from bluelobster.catalog.host_records import host_not_found
from bluelobster.catalog.maintenances import Maintenance, Stops, find_maintenance, get_maintenance
from bluelobster.clock import Clock, rfc3339
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import SYSTEM, record_instance
from bluelobster.http.errors import InvalidRequest
from bluelobster.instances.find import Found, order
from bluelobster.instances.machine import Machine
from bluelobster.instances.power import FORCE_SHUTDOWN, POWER_ON, SHUTDOWN
from bluelobster.tasks.operation import Operation
from bluelobster.tasks.spawn import Busy, Origin, spawn

Phase = Literal["begun", "changed", "ended"]

STOPPING: dict[str, Operation[Machine]] = {"shutdown": SHUTDOWN, "force": FORCE_SHUTDOWN}


@dataclass(frozen=True)
class Affected(Found):
    """An instance on a host in maintenance. `asked` is how it was stopped for it; None: it was not."""

    account_id: UUID
    asked: str | None


async def begin(tx: Tx, host_id: str, reason: str, until: datetime, stops: Stops, now: datetime) -> Maintenance:
    """Place nothing new on a host and tell the owners of its machines; or say something else of a maintenance that is
    under way. Machines are stopped if asked. Raises NotFound, and InvalidRequest for an end that is past."""
    if until <= now:
        raise InvalidRequest("invalid_request", "expected_end_at: must be later than now")
    status = await _hold(tx, host_id)
    phase: Phase = "changed" if status == "maintenance" else "begun"
    if phase == "changed":
        await tx.execute(
            """update maintenances set reason = %s, expected_end_at = %s, stops = %s
               where host_id = %s and ended_at is null""",
            (reason, until, stops, host_id),
        )
    else:
        await tx.execute(
            """insert into maintenances (id, host_id, reason, stops, status_before, began_at, expected_end_at)
               values (%s, %s, %s, %s, %s, %s, %s)""",
            (uuid4(), host_id, reason, stops, status, now, until),
        )
        await tx.execute("update hosts set status = 'maintenance' where id = %s", (host_id,))
    found = await get_maintenance(tx, host_id)
    await _tell(tx, found, phase, now)
    await _stop(tx, found, now)
    return found


async def end(tx: Tx, host_id: str, now: datetime) -> None:
    """Use the host again as before, and start what was stopped for it. Raises NotFound."""
    await _hold(tx, host_id)
    found = await get_maintenance(tx, host_id)
    await tx.execute("update maintenances set ended_at = %s where id = %s", (now, found.id))
    await tx.execute("update hosts set status = %s where id = %s", (found.status_before, host_id))
    await _tell(tx, found, "ended", now)
    await _start(tx, host_id, now)


async def carry_out(pool: Pool, clock: Clock) -> None:
    """Stop and start what could not be when a maintenance began or ended."""
    async with pool.connection() as connection:
        cursor = await connection.execute(
            """select host_id from maintenances where ended_at is null and stops <> 'none'
               union select m.host_id from maintenances m join maintenance_stops s on s.maintenance_id = m.id
                     where m.ended_at is not null
               order by 1"""
        )
        host_ids = [row[0] for row in await cursor.fetchall()]
    for host_id in host_ids:
        async with transaction(pool) as tx:
            await _hold(tx, host_id)
            found = await find_maintenance(tx, host_id)
            if found is not None:
                await _stop(tx, found, clock.now())
            else:
                await _start(tx, host_id, clock.now())


async def affected(tx: Tx, maintenance: Maintenance) -> list[Affected]:
    """The instances on the host, in the order in which they are stopped."""
    return await _affected(tx, maintenance, "")


async def _affected(tx: Tx, maintenance: Maintenance, which: LiteralString) -> list[Affected]:
    async with tx.cursor(row_factory=class_row(Affected)) as cursor:
        await cursor.execute(
            f"""select i.id, i.name, i.region, i.host_id, i.vmid, i.vcpus, i.memory_gb, i.status, i.power_status,
                       i.account_id, s.stops as asked
                from instances i left join maintenance_stops s on s.instance_id = i.id and s.maintenance_id = %s
                where i.host_id = %s and i.ended_at is null {which}""",
            (maintenance.id, maintenance.host_id),
        )
        return await cursor.fetchall()


async def _hold(tx: Tx, host_id: str) -> str:
    """The host's status, which stays until the end of `tx`. Raises NotFound."""
    cursor = await tx.execute("select status from hosts where id = %s for no key update", (host_id,))
    row = await cursor.fetchone()
    if row is None:
        raise host_not_found(host_id)
    return str(row[0])


async def _tell(tx: Tx, maintenance: Maintenance, phase: Phase, now: datetime) -> None:
    for each in await affected(tx, maintenance):
        await record_instance(
            tx,
            "instance.maintenance",
            each.id,
            now,
            SYSTEM,
            phase=phase,
            reason=maintenance.reason,
            expected_end_at=rfc3339(maintenance.expected_end_at),
            stops=maintenance.stops != "none",
        )


async def _stop(tx: Tx, maintenance: Maintenance, now: datetime) -> None:
    """Stop what runs and was not asked so yet, unless it is busy."""
    operation = STOPPING.get(maintenance.stops)
    if operation is None:
        return
    running = "and i.status = 'rented' and i.power_status = 'running' order by i.id for no key update of i skip locked"
    for each in await _affected(tx, maintenance, running):
        if each.asked != maintenance.stops and await _spawned(
            tx, operation, each, now, "Stopping for maintenance of the host"
        ):
            await tx.execute(
                """insert into maintenance_stops (maintenance_id, instance_id, stops) values (%s, %s, %s)
                   on conflict (maintenance_id, instance_id) do update set stops = excluded.stops""",
                (maintenance.id, each.id, maintenance.stops),
            )


async def _start(tx: Tx, host_id: str, now: datetime) -> None:
    """Start what was stopped for maintenance that is over, unless it is busy; what runs, or is gone, is done with."""
    async with tx.cursor(row_factory=class_row(Affected)) as cursor:
        await cursor.execute(
            """select i.id, i.name, i.region, i.host_id, i.vmid, i.vcpus, i.memory_gb, i.status, i.power_status,
                      i.account_id, s.stops as asked
               from maintenances m join maintenance_stops s on s.maintenance_id = m.id
                    join instances i on i.id = s.instance_id
               where m.host_id = %s and m.ended_at is not null and i.power_status <> 'unknown'
                 and not exists (select from tasks t
                                 where t.instance_id = i.id and t.ended_at is null and t.holds_instance)
               order by i.id for no key update of i skip locked""",
            (host_id,),
        )
        stopped = await cursor.fetchall()
    for each in stopped:
        to_start = each.status == "rented" and each.power_status == "stopped"
        if to_start and await _left_to_a_payment(tx, each, now):
            to_start = False
        if to_start and not await _spawned(tx, POWER_ON, each, now, "Starting after maintenance of the host"):
            continue
        await tx.execute(
            """delete from maintenance_stops s using maintenances m
               where m.id = s.maintenance_id and m.ended_at is not null and s.instance_id = %s""",
            (each.id,),
        )


async def _left_to_a_payment(tx: Tx, instance: Affected, now: datetime) -> bool:
    """Where the instance's account was suspended meanwhile, a payment is to start it; False where it was not."""
    done = await tx.execute(
        """update instances i set suspended_at = coalesce(i.suspended_at, %s) from accounts a
           where i.id = %s and a.id = i.account_id and a.standing in ('suspended', 'terminated')""",
        (now, instance.id),
    )
    return done.rowcount == 1


async def _spawned(tx: Tx, operation: Operation[Machine], instance: Affected, now: datetime, message: str) -> bool:
    """Queue an operation for the instance's owner; False while another one runs."""
    origin = Origin(instance.account_id, None, None)
    try:
        await spawn(tx, order(operation, instance.id, instance.host_id, origin, now, message))
    except Busy:
        return False
    return True
