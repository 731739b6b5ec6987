"""Placement: a host with room, and everything a machine takes from it. Reserve and release stand side by side."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from bluelobster.billing.address_usage import end_address_usage
from bluelobster.billing.usage import end_usage
from bluelobster.db.pool import Tx
from bluelobster.instances.wanted import Size, Wanted
from bluelobster.network.addresses import release_addresses

# A host that can have it. Without a template it boots ISO images, and what we bring needs a place as those do.
FITS: LiteralString = """
    h.status = 'active' and h.vcpus - h.vcpus_used >= %(vcpus)s and h.memory_gb - h.memory_gb_used >= %(memory_gb)s
    and h.disk_gb - h.disk_gb_used >= %(disk_gb)s
    and case when %(template)s::text is null then h.iso_storage is not null
             else exists (select from host_templates t where t.host_id = h.id and t.template = %(template)s) end
    and (h.iso_storage is not null or not %(uploads)s)"""


@dataclass(frozen=True)
class Place:
    """A host that has room, when it is looked at, and whether machines on it can be on a private network."""

    host_id: str
    has_network: bool


class NoRoom(Exception):
    """No host has all of it."""


class HostFilledUp(Exception):
    """The host that had room when it was chosen has none any more."""


async def choose_host(tx: Tx, wanted: Wanted, but: Collection[str]) -> Place:
    """The best host of the region, `but` those that filled up meanwhile. It cannot be removed until the end of `tx`;
    its room is anybody's until `take_room`. Raises NoRoom.

    A machine without GPUs goes where GPUs are not blocked by it; among equals the emptiest host wins.
    """
    async with tx.cursor(row_factory=class_row(Place)) as cursor:
        await cursor.execute(
            f"""select h.id as host_id, h.internal_bridge is not null and exists (
                         select from address_pools p where p.region = h.region and p.kind = 'internal') as has_network
                from hosts h
                where h.region = %(region)s and coalesce(h.id = %(host)s, true) and h.id <> all(%(but)s) and {FITS}
                  and (select count(*) from gpus g where g.host_id = h.id and g.model = %(gpu_model)s
                       and g.instance_id is null) >= %(gpus)s
                order by (%(gpus)s = 0 and exists (select from gpus g where g.host_id = h.id)),
                         (h.memory_gb - h.memory_gb_used)::float / h.memory_gb desc, h.id
                limit 1 for key share of h""",
            {**_needs(wanted), "region": wanted.region, "host": wanted.host, "but": list(but)},
        )
        place = await cursor.fetchone()
    if place is None:
        raise NoRoom
    return place


async def take_room(tx: Tx, host_id: str, wanted: Wanted) -> None:
    """Take vCPU, memory and disk on a host. Comes last in a launch: everybody else who launches there waits from here
    to the end of `tx`. Raises HostFilledUp."""
    done = await tx.execute(
        f"""update hosts h set vcpus_used = vcpus_used + %(vcpus)s, memory_gb_used = memory_gb_used + %(memory_gb)s,
                               disk_gb_used = disk_gb_used + %(disk_gb)s where h.id = %(host_id)s and {FITS}""",
        {**_needs(wanted), "host_id": host_id},
    )
    if done.rowcount == 0:
        raise HostFilledUp


def _needs(wanted: Wanted) -> dict[str, Any]:
    return {**vars(wanted.size), "template": wanted.template_name, "uploads": bool(wanted.user_data)}


async def reserve_gpus(tx: Tx, instance_id: UUID, host_id: str, size: Size) -> None:
    """Take the GPUs on a host. Raises HostFilledUp."""
    if size.gpus == 0:
        return
    # Materialized: a plan that looked for free ones once for every GPU would take them all.
    cursor = await tx.execute(
        """with free as materialized (
             select id from gpus where host_id = %s and model = %s and instance_id is null
             order by mapping limit %s for update skip locked)
           update gpus set instance_id = %s where id in (select id from free) returning 1""",
        (host_id, size.gpu_model, size.gpus, instance_id),
    )
    if len(await cursor.fetchall()) != size.gpus:
        raise HostFilledUp


async def release_everything(tx: Tx, instance_id: UUID, ending: str, now: datetime, *, more_disk_gb: int = 0) -> None:
    """End an instance's record as `deleted` or `failed`, and give back all that it held, and what it had besides on the
    host's disk; at most once."""
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
    await tx.execute("update gpus set instance_id = null where instance_id = %s", (instance_id,))
    await release_addresses(tx, instance_id, now)
    await end_usage(tx, instance_id, now)
    await end_address_usage(tx, instance_id, None, now)
    await tx.execute("delete from instance_samples where instance_id = %s", (instance_id,))
    await tx.execute("delete from firewall_changes where instance_id = %s", (instance_id,))
    await tx.execute("delete from backup_schedules where instance_id = %s", (instance_id,))
    await tx.execute(
        """update hosts set vcpus_used = vcpus_used - %s, memory_gb_used = memory_gb_used - %s,
                            disk_gb_used = disk_gb_used - %s where id = %s""",
        (vcpus, memory_gb, disk_gb + more_disk_gb, host_id),
    )
