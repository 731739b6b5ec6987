"""Statistics: what the hypervisor reads of a machine right now, and rates since the reading before."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.catalog.connections import Connections
from bluelobster.clock import Clock
from bluelobster.db.pool import Pool, Tx
from bluelobster.http.errors import Unavailable
from bluelobster.instances.find import Found
from bluelobster.pve import VmStatus, VmSummary, errors

SHORTEST_INTERVAL = timedelta(seconds=1)
KEEP = timedelta(minutes=2)


@dataclass(frozen=True)
class Sample:
    """Totals since the machine was started, in bytes; uptime in seconds."""

    taken_at: datetime
    disk_read: int
    disk_write: int
    net_in: int
    net_out: int
    uptime: int

    @classmethod
    def of(cls, reading: VmStatus | VmSummary, now: datetime) -> "Sample":
        return cls(now, reading.diskread, reading.diskwrite, reading.netin, reading.netout, reading.uptime)


async def save_samples(tx: Tx, samples: Sequence[tuple[UUID, Sample]], now: datetime) -> None:
    """Keep readings for the next ones to be measured against, and drop those that nobody will ask for."""
    if not samples:
        return
    columns = [list(each) for each in zip(*((of, *astuple(sample)) for of, sample in samples), strict=True)]
    await tx.execute(
        """insert into instance_samples (instance_id, taken_at, disk_read, disk_write, net_in, net_out, uptime)
           select * from unnest(%s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[],
                                %s::bigint[], %s::bigint[])
           on conflict do nothing""",
        columns,
    )
    await tx.execute(
        "delete from instance_samples where instance_id = any(%s) and taken_at < %s", (columns[0], now - KEEP)
    )


async def sample_before(tx: Tx, instance_id: UUID, moment: datetime) -> Sample | None:
    """The newest reading that is old enough for a rate."""
    async with tx.cursor(row_factory=class_row(Sample)) as cursor:
        await cursor.execute(
            """select taken_at, disk_read, disk_write, net_in, net_out, uptime from instance_samples
               where instance_id = %s and taken_at <= %s order by taken_at desc limit 1""",
            (instance_id, moment - SHORTEST_INTERVAL),
        )
        return await cursor.fetchone()


async def read_stats(pool: Pool, connections: Connections, instance: Found, clock: Clock) -> dict[str, Any]:
    """Ask the hypervisor. A machine that is still being made reads as stopped; raises Unavailable when the
    hypervisor does not answer."""
    client = await connections.to(instance.host_id)
    try:
        status = await client.vm_status(instance.vmid)
    except errors.VmNotFound:
        status = VmStatus.parse({"vmid": instance.vmid, "status": "stopped"})
    except errors.PveError as error:
        raise Unavailable(
            "stats_unavailable", "The hypervisor does not answer at the moment; try again shortly"
        ) from error
    now = clock.now()
    async with pool.connection() as connection:
        before = await sample_before(connection, instance.id, now)
    return stats_view(instance, status, before, now)


def stats_view(instance: Found, status: VmStatus, before: Sample | None, now: datetime) -> dict[str, Any]:
    """The answer: shares in percent, sizes in bytes, rates in bytes a second; zeros for a stopped machine."""
    total = status.maxmem or instance.memory_gb * 1024**3
    reading = Sample.of(status, now)
    running = status.power != "stopped"
    used = min(status.mem, total) if running else 0
    return {
        "instance_id": str(instance.id),
        "status": status.power,
        "cpu": {"usage_percent": round(100 * status.cpu, 2) if running else 0.0, "cores": instance.vcpus},
        "memory": {"used_bytes": used, "total_bytes": total, "usage_percent": round(100 * used / total, 2)},
        "disk": {
            "read_bytes_sec": rate(before, reading, "disk_read", running),
            "write_bytes_sec": rate(before, reading, "disk_write", running),
            "read_bytes_total": reading.disk_read if running else 0,
            "write_bytes_total": reading.disk_write if running else 0,
        },
        "network": {
            "in_bytes_sec": rate(before, reading, "net_in", running),
            "out_bytes_sec": rate(before, reading, "net_out", running),
            "in_bytes_total": reading.net_in if running else 0,
            "out_bytes_total": reading.net_out if running else 0,
        },
        "uptime_seconds": reading.uptime if running else 0,
    }


def rate(before: Sample | None, now: Sample, field: str, running: bool) -> int:
    """Bytes a second since the reading before; since the start, where there is none from this run of the machine."""
    if not running:
        return 0
    total: int = getattr(now, field)
    if before is None or getattr(before, field) > total or before.uptime > now.uptime:
        return round(total / now.uptime) if now.uptime else 0
    seconds = (now.taken_at - before.taken_at).total_seconds()
    earlier: int = getattr(before, field)
    return round((total - earlier) / seconds)
