"""Placement: a host with room, and everything a machine takes from it. Reserve and release stand side by side."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from bluelobster.billing.address_usage import end_address_usage
from bluelobster.billing.usage import end_usage
from bluelobster.db.pool import Tx
from bluelobster.network.addresses import release_addresses

ATTEMPTS = 5


@dataclass(frozen=True)
class Size:
    """What a machine takes from a host."""

    vcpus: int
    memory_gb: int
    disk_gb: int
    gpus: int
    gpu_model: str | None


class NoRoom(Exception):
    """No host has all of it."""


async def reserve_host(
    tx: Tx, region: str, only: str | None, size: Size, template: str | None, *, uploads: bool = False
) -> str:
    """Take vCPU, memory and disk on the best host of a region, or on `only` that one, and lock it. Raises NoRoom.

    The host has the template's image; without a template, it boots ISO images. With `uploads`, it has a place for what
    we bring.

    A machine without GPUs goes where GPUs are not blocked by it; among equals the emptiest host wins.
    """
    for _ in range(ATTEMPTS):
        cursor = await tx.execute(
            """update hosts set vcpus_used = vcpus_used + %(vcpus)s, memory_gb_used = memory_gb_used + %(memory_gb)s,
                                disk_gb_used = disk_gb_used + %(disk_gb)s
               where id = (
                 select h.id from hosts h
                 where h.region = %(region)s and h.status = 'active' and coalesce(h.id = %(only)s, true)
                   and h.vcpus - h.vcpus_used >= %(vcpus)s
                   and h.memory_gb - h.memory_gb_used >= %(memory_gb)s
                   and h.disk_gb - h.disk_gb_used >= %(disk_gb)s
                   and case when %(template)s::text is null then h.iso_storage is not null else exists (
                         select from host_templates t where t.host_id = h.id and t.template = %(template)s) end
                   and (h.iso_storage is not null or not %(uploads)s)
                   and (select count(*) from gpus g where g.host_id = h.id and g.model = %(gpu_model)s
                          and g.instance_id is null) >= %(gpus)s
                 order by (%(gpus)s = 0 and exists (select from gpus g where g.host_id = h.id)),
                          (h.memory_gb - h.memory_gb_used)::float / h.memory_gb desc, h.id
                 limit 1 for update)
                 and vcpus - vcpus_used >= %(vcpus)s and memory_gb - memory_gb_used >= %(memory_gb)s
                 and disk_gb - disk_gb_used >= %(disk_gb)s
               returning id""",
            {**vars(size), "region": region, "only": only, "template": template, "uploads": uploads},
        )
        if row := await cursor.fetchone():
            host: str = row[0]
            return host
        if not await _may_fit(tx, region, size):
            break
    raise NoRoom


async def _may_fit(tx: Tx, region: str, size: Size) -> bool:
    """Whether another look is worthwhile: the host that looked best may have filled up while we waited for it."""
    cursor = await tx.execute(
        """select exists (select from hosts where region = %(region)s and status = 'active'
             and vcpus - vcpus_used >= %(vcpus)s and memory_gb - memory_gb_used >= %(memory_gb)s
             and disk_gb - disk_gb_used >= %(disk_gb)s)""",
        {**vars(size), "region": region},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def reserve_gpus(tx: Tx, instance_id: UUID, host_id: str, size: Size) -> None:
    """Take the GPUs on a host that this transaction holds. Raises NoRoom."""
    if size.gpus == 0:
        return
    cursor = await tx.execute(
        """update gpus set instance_id = %s where id in (
             select id from gpus where host_id = %s and model = %s and instance_id is null
             order by mapping limit %s for update skip locked) returning 1""",
        (instance_id, host_id, size.gpu_model, size.gpus),
    )
    if len(await cursor.fetchall()) != size.gpus:
        raise NoRoom


async def release_everything(tx: Tx, instance_id: UUID, ending: str, now: datetime) -> None:
    """End an instance's record as `deleted` or `failed`, and give back all that it held; at most once."""
    # The host before the name, as a launch takes them: otherwise the two wait for each other.
    await tx.execute(
        "select from hosts where id = (select host_id from instances where id = %s) for no key update", (instance_id,)
    )
    cursor = await tx.execute(
        """update instances set status = %s, ended_at = %s, updated_at = %s, power_status = 'stopped',
                                password_hash = null, password_sealed = null, iso_url_sealed = null,
                                user_data_sealed = null
           where id = %s and ended_at is null returning host_id, vcpus, memory_gb, disk_gb""",
        (ending, now, now, instance_id),
    )
    row = await cursor.fetchone()
    if row is None:
        return
    host_id, vcpus, memory_gb, disk_gb = row
    await tx.execute(
        """update hosts set vcpus_used = vcpus_used - %s, memory_gb_used = memory_gb_used - %s,
                            disk_gb_used = disk_gb_used - %s where id = %s""",
        (vcpus, memory_gb, disk_gb, host_id),
    )
    await tx.execute("update gpus set instance_id = null where instance_id = %s", (instance_id,))
    await release_addresses(tx, instance_id, now)
    await end_usage(tx, instance_id, now)
    await end_address_usage(tx, instance_id, None, now)
    await tx.execute("delete from instance_samples where instance_id = %s", (instance_id,))
    await tx.execute("delete from firewall_changes where instance_id = %s", (instance_id,))
    await tx.execute("delete from backup_schedules where instance_id = %s", (instance_id,))
