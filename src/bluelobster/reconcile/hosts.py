"""What a host says it runs, against what we say it runs."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.catalog.connections import Connections
from bluelobster.catalog.hosts import Host, list_hosts
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.events.record import SYSTEM, record_instance
from bluelobster.instances.stats import Sample, save_samples
from bluelobster.pve import PveClient, VmSummary, errors
from bluelobster.reconcile.one_of_many import AT_ONCE, one_of_many
from bluelobster.reconcile.strays import Strays

log = logging.getLogger(__name__)

HOST_SECONDS = 30.0
POWER = {"running": "running", "stopped": "stopped"}


@dataclass(frozen=True)
class OnRecord:
    """An instance of ours that no operation is changing."""

    id: UUID
    vmid: int
    power_status: str
    updated_at: datetime


async def reconcile_hosts(pool: Pool, connections: Connections, clock: Clock, strays: Strays) -> None:
    """Look at every host once. One that does not answer, or not so that it can be understood, is looked at again next
    time; it keeps no other waiting."""
    async with pool.connection() as connection:
        hosts = [host for host in await list_hosts(connection) if host.status != "offline"]
    turn = asyncio.Semaphore(AT_ONCE)

    async def look_at(host: Host) -> None:
        async with turn, one_of_many(f"host {host.id}", HOST_SECONDS, is_expected=host.status == "maintenance"):
            await reconcile_host(pool, await connections.to_host(host), host, clock, strays)

    await asyncio.gather(*map(look_at, hosts))


async def reconcile_host(pool: Pool, client: PveClient, host: Host, clock: Clock, strays: Strays) -> None:
    """Note power states that changed by themselves, and totals for the rates. Raises PveError."""
    async with pool.connection() as connection:
        idle = await idle_instances(connection, host)
    machines = {machine.vmid: machine for machine in await client.vms() if machine.node == host.node}
    firewall = await client.datacenter_firewall()
    if host.firewall is not False and not firewall:
        log.error("host %s: the datacenter's firewall is off: no rule acts, guests send from any address", host.id)
    # The list may be seconds old: what differs in it is asked for once more, one by one.
    differing = [each for each in idle if listed_power(machines.get(each.vmid)) != each.power_status]
    changed = [(each, power) for each in differing if (power := await power_now(client, each)) != each.power_status]
    async with transaction(pool) as tx:
        now = clock.now()
        rented = await still_rented(tx, idle)
        for instance, power in changed:
            if instance.id in rented:
                await note_power(tx, instance, power, now)
        samples = [
            (each.id, Sample.of(machine, now))
            for each in idle
            if each.id in rented and (machine := machines.get(each.vmid)) and listed_power(machine) == "running"
        ]
        await save_samples(tx, samples, now)
        await tx.execute("update hosts set seen_at = %s, firewall = %s where id = %s", (now, firewall, host.id))
    await strays.tell(pool, client, host, list(machines.values()))


async def still_rented(tx: Tx, instances: Sequence[OnRecord]) -> set[UUID]:
    """Those that nobody has begun to delete, and nobody can until `tx` ends: what is deleted keeps no readings. What
    somebody else is changing is looked at next time."""
    cursor = await tx.execute(
        "select id from instances where id = any(%s) and status = 'rented' for no key update skip locked",
        ([each.id for each in instances],),
    )
    return {row[0] for row in await cursor.fetchall()}


def listed_power(machine: VmSummary | None) -> str:
    return POWER.get(machine.status, "unknown") if machine else "unknown"


async def power_now(client: PveClient, instance: OnRecord) -> str:
    """Whether the machine runs at this moment; `unknown` for one that the host does not have."""
    try:
        return (await client.vm_status(instance.vmid)).power
    except errors.VmNotFound:
        log.error("the host does not have machine %s of instance %s", instance.vmid, instance.id)
        return "unknown"


async def note_power(tx: Tx, instance: OnRecord, power: str, now: datetime) -> None:
    """Unless an operation has begun, or ended, since the instance was read."""
    done = await tx.execute(
        """update instances set power_status = %s, updated_at = %s
           where id = %s and updated_at = %s and status = 'rented'
             and not exists (select from tasks
                             where instance_id = instances.id and ended_at is null and holds_instance)""",
        (power, now, instance.id, instance.updated_at),
    )
    if done.rowcount:
        await record_instance(tx, "instance.power", instance.id, now, SYSTEM)


async def idle_instances(tx: Tx, host: Host) -> list[OnRecord]:
    async with tx.cursor(row_factory=class_row(OnRecord)) as cursor:
        await cursor.execute(
            """select id, vmid, power_status, updated_at from instances i where host_id = %s and status = 'rented'
                 and not exists (select from tasks t
                                 where t.instance_id = i.id and t.ended_at is null and t.holds_instance)""",
            (host.id,),
        )
        return await cursor.fetchall()
