"""Instance types: sizes with a price, and where there is room for them."""

from dataclasses import dataclass
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


COLUMNS = "name, description, gpu_description, price_cents_per_hour, vcpus, memory_gb, disk_gb, gpus, gpu_model"


async def save_type(tx: Tx, kind: InstanceType) -> None:
    """Add a type or change it; machines that run keep the size and price they were launched with."""
    await tx.execute(
        f"""insert into instance_types ({COLUMNS})
            values (%(name)s, %(description)s, %(gpu_description)s, %(price_cents_per_hour)s, %(vcpus)s,
                    %(memory_gb)s, %(disk_gb)s, %(gpus)s, %(gpu_model)s)
            on conflict (name) do update set
              description = excluded.description, gpu_description = excluded.gpu_description,
              price_cents_per_hour = excluded.price_cents_per_hour, vcpus = excluded.vcpus,
              memory_gb = excluded.memory_gb, disk_gb = excluded.disk_gb, gpus = excluded.gpus,
              gpu_model = excluded.gpu_model, retired = false""",
        vars(kind),
    )


async def retire_type(tx: Tx, name: str) -> bool:
    """Sell a type no longer; False when it is not sold."""
    done = await tx.execute("update instance_types set retired = true where name = %s and not retired", (name,))
    return done.rowcount == 1


async def list_types(tx: Tx) -> list[InstanceType]:
    async with tx.cursor(row_factory=class_row(InstanceType)) as cursor:
        await cursor.execute(
            f"select {COLUMNS} from instance_types where not retired order by gpus, price_cents_per_hour, name"
        )
        return await cursor.fetchall()


async def available(tx: Tx) -> list[dict[str, Any]]:
    """Every type on sale with the regions that have room for one now, as the API shows it."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """with free as (
                 select h.id, h.region, h.vcpus - h.vcpus_used as vcpus, h.memory_gb - h.memory_gb_used as memory_gb,
                        h.disk_gb - h.disk_gb_used as disk_gb,
                        coalesce((select jsonb_object_agg(model, n) from
                          (select model, count(*) as n from gpus g
                           where g.host_id = h.id and g.instance_id is null group by model) by_model), '{}') as gpus
                 from hosts h
                 where h.status = 'active'
                   and exists (select from host_templates t join templates on name = template and not hidden
                               where t.host_id = h.id)
                   and exists (select from addresses a join address_pools p on p.id = a.pool_id
                               where p.region = h.region and a.instance_id is null)
               )
               select t.*, coalesce((
                 select jsonb_agg(jsonb_build_object('name', r.name, 'description', r.description, 'location',
                          jsonb_build_object('city', r.city, 'state', r.state, 'country', r.country)) order by r.name)
                 from regions r
                 where exists (select from free f where f.region = r.name and f.vcpus >= t.vcpus
                   and f.memory_gb >= t.memory_gb and f.disk_gb >= t.disk_gb
                   and coalesce((f.gpus->>t.gpu_model)::int, 0) >= t.gpus)), '[]') as regions
               from instance_types t where not t.retired
               order by t.gpus, t.price_cents_per_hour, t.name"""
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
