"""What a host says it runs, against what we say it runs."""

import logging
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.catalog.connections import Connections
from bluelobster.catalog.hosts import Host, list_hosts
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx, transaction
from bluelobster.instances.stats import Sample, save_samples
from bluelobster.pve import VmSummary, errors

log = logging.getLogger(__name__)

POWER = {"running": "running", "stopped": "stopped"}


@dataclass(frozen=True)
class OnRecord:
    """An instance of ours that no operation is changing."""

    id: UUID
    vmid: int
    power_status: str


async def reconcile_hosts(pool: Pool, connections: Connections, clock: Clock) -> None:
    """Look at every host once. One that does not answer is looked at again next time."""
    async with pool.connection() as connection:
        hosts = await list_hosts(connection)
    for host in hosts:
        if host.status == "offline":
            continue
        try:
            client = await connections.to_host(host)
            machines = {machine.vmid: machine for machine in await client.vms() if machine.node == host.node}
        except errors.PveError as error:
            log.warning("host %s: %s: %s", host.id, type(error).__name__, error)
            continue
        async with transaction(pool) as tx:
            await record_readings(tx, host, machines, clock.now())


async def record_readings(tx: Tx, host: Host, machines: dict[int, VmSummary], now: datetime) -> None:
    """Note power states that changed by themselves, and totals for the rates."""
    await tx.execute("update hosts set seen_at = %s where id = %s", (now, host.id))
    samples: list[tuple[UUID, Sample]] = []
    for instance in await idle_instances(tx, host):
        machine = machines.get(instance.vmid)
        power = POWER.get(machine.status, "unknown") if machine else "unknown"
        if machine and power == "running":
            samples.append((instance.id, Sample.of(machine, now)))
        if power == instance.power_status:
            continue
        if machine is None:
            log.error("host %s does not list machine %s of instance %s", host.id, instance.vmid, instance.id)
        await tx.execute(
            """update instances set power_status = %s, updated_at = %s where id = %s and status = 'rented'
                 and not exists (select from tasks where instance_id = instances.id and ended_at is null)""",
            (power, now, instance.id),
        )
    await save_samples(tx, samples, now)


async def idle_instances(tx: Tx, host: Host) -> list[OnRecord]:
    async with tx.cursor(row_factory=class_row(OnRecord)) as cursor:
        await cursor.execute(
            """select id, vmid, power_status from instances i where host_id = %s and status = 'rented'
                 and not exists (select from tasks t where t.instance_id = i.id and t.ended_at is null)""",
            (host.id,),
        )
        return await cursor.fetchall()
