"""Instance types: sizes with a price, and where there is room for them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.rows import class_row, dict_row

from bluelobster.db.pool import Tx


@dataclass(frozen=True)
class InstanceType:
    """A size and its price in cents an hour."""

    name: str
    description: str
    gpu_description: str
    price_cents_per_hour: int
    vcpus: int
    memory_gb: int
    disk_gb: int
    gpus: int
    gpu_model: str | None


# A type with its price at a moment.
PRICED = """instance_types t join prices p
            on p.item = 'instance_hour' and p.instance_type = t.name and p.during @> %(now)s::timestamptz"""


async def hold_types(tx: Tx) -> None:
    """Nobody else adds, changes or retires a type until the end of `tx`. Launches go on."""
    await tx.execute("lock table instance_types in share row exclusive mode")


async def save_type(tx: Tx, kind: InstanceType) -> None:
    """Add a type with the price it begins with, or change all but its price. Machines that run keep the size and price
    they were launched with."""
    await tx.execute(
        """insert into instance_types (name, description, gpu_description, vcpus, memory_gb, disk_gb, gpus, gpu_model)
           values (%(name)s, %(description)s, %(gpu_description)s, %(vcpus)s, %(memory_gb)s, %(disk_gb)s, %(gpus)s,
                   %(gpu_model)s)
           on conflict (name) do update set
             description = excluded.description, gpu_description = excluded.gpu_description, vcpus = excluded.vcpus,
             memory_gb = excluded.memory_gb, disk_gb = excluded.disk_gb, gpus = excluded.gpus,
             gpu_model = excluded.gpu_model, retired = false""",
        vars(kind),
    )
    await tx.execute(
        """insert into prices (item, instance_type, cents, during)
           select 'instance_hour', %(name)s, %(price_cents_per_hour)s, '(,)'
           where not exists (select from prices where instance_type = %(name)s)""",
        vars(kind),
    )


@dataclass(frozen=True)
class OnRecord(InstanceType):
    """A type that is, or was, on sale."""

    retired: bool


async def every_type(tx: Tx, now: datetime) -> list[OnRecord]:
    """Those that are on sale and those that are not, at their prices now."""
    async with tx.cursor(row_factory=class_row(OnRecord)) as cursor:
        await cursor.execute(
            f"""select t.name, t.description, t.gpu_description, p.cents as price_cents_per_hour, t.vcpus, t.memory_gb,
                       t.disk_gb, t.gpus, t.gpu_model, t.retired from {PRICED} order by t.name""",
            {"now": now},
        )
        return await cursor.fetchall()


async def find_type(tx: Tx, name: str, now: datetime) -> OnRecord | None:
    return next((each for each in await every_type(tx, now) if each.name == name), None)


async def retire_type(tx: Tx, name: str) -> bool:
    """Sell a type no longer; False when it is not sold."""
    done = await tx.execute("update instance_types set retired = true where name = %s and not retired", (name,))
    return done.rowcount == 1


async def type_in_region(tx: Tx, name: str, region: str, now: datetime) -> InstanceType | None:
    """A type on sale, at its price now, if it and the region exist."""
    async with tx.cursor(row_factory=class_row(InstanceType)) as cursor:
        await cursor.execute(
            f"""select t.name, t.description, t.gpu_description, p.cents as price_cents_per_hour, t.vcpus, t.memory_gb,
                       t.disk_gb, t.gpus, t.gpu_model
                from {PRICED} where not t.retired and t.name = %(name)s
                  and exists (select from regions where name = %(region)s)""",
            {"now": now, "name": name, "region": region},
        )
        return await cursor.fetchone()


async def list_types(tx: Tx, now: datetime) -> list[InstanceType]:
    """Every type on sale, at its price now."""
    async with tx.cursor(row_factory=class_row(InstanceType)) as cursor:
        await cursor.execute(
            f"""select t.name, t.description, t.gpu_description, p.cents as price_cents_per_hour, t.vcpus, t.memory_gb,
                       t.disk_gb, t.gpus, t.gpu_model
                from {PRICED} where not t.retired order by t.gpus, p.cents, t.name""",
            {"now": now},
        )
        return await cursor.fetchall()


async def available(tx: Tx, now: datetime) -> list[dict[str, Any]]:
    """Every type on sale with the regions that have room for one now, as the API shows it."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""with free as (
                 select h.id, h.region, h.vcpus - h.vcpus_used as vcpus, h.memory_gb - h.memory_gb_used as memory_gb,
                        h.disk_gb - h.disk_gb_used as disk_gb,
                        coalesce((select jsonb_object_agg(model, n) from
                          (select model, count(*) as n from gpus g
                           where g.host_id = h.id and g.instance_id is null group by model) by_model), '{{}}') as gpus
                 from hosts h
                 where h.status = 'active'
                   and exists (select from host_templates t join templates on name = template and not hidden
                               where t.host_id = h.id)
                   and exists (select from addresses a join address_pools p on p.id = a.pool_id
                               where p.region = h.region and a.instance_id is null)
               )
               select t.*, p.cents as price_cents_per_hour, coalesce((
                 select jsonb_agg(jsonb_build_object('name', r.name, 'description', r.description, 'location',
                          jsonb_build_object('city', r.city, 'state', r.state, 'country', r.country)) order by r.name)
                 from regions r
                 where exists (select from free f where f.region = r.name and f.vcpus >= t.vcpus
                   and f.memory_gb >= t.memory_gb and f.disk_gb >= t.disk_gb
                   and coalesce((f.gpus->>t.gpu_model)::int, 0) >= t.gpus)), '[]') as regions
               from {PRICED} where not t.retired
               order by t.gpus, p.cents, t.name""",
            {"now": now},
        )
        return [type_view(row) for row in await cursor.fetchall()]


def type_view(row: dict[str, Any]) -> dict[str, Any]:
    specs: dict[str, Any] = {
        "vcpus": row["vcpus"],
        "memory_gib": row["memory_gb"],
        "storage_gib": row["disk_gb"],
        "gpus": row["gpus"],
    }
    if row["gpu_model"]:
        specs["gpu_model"] = row["gpu_model"]
    return {
        "id": row["name"],
        "instance_type": {
            "name": row["name"],
            "description": row["description"],
            "gpu_description": row["gpu_description"],
            "price_cents_per_hour": row["price_cents_per_hour"],
            "specs": specs,
        },
        "regions_with_capacity_available": row["regions"],
    }
