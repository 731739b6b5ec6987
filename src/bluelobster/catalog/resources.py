"""What each host still has to give, for staff who launch machines of exact size."""

from typing import Any

from psycopg.rows import dict_row

from bluelobster.db.pool import Tx


async def resources(tx: Tx) -> dict[str, dict[str, Any]]:
    """Free capacity by host; the GPU model is the one that a host has most free devices of."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """select h.id, r.city, r.state, h.region,
                      case h.status when 'active' then 'available' else h.status end as status,
                      h.vcpus - h.vcpus_used as cores_available,
                      h.memory_gb - h.memory_gb_used as memory_available,
                      h.disk_gb - h.disk_gb_used as storage_available,
                      g.model as gpu_model, coalesce(g.free, 0)::int as gpus_available
               from hosts h join regions r on r.name = h.region
               left join lateral (
                 select model, count(*) filter (where instance_id is null) as free from gpus
                 where host_id = h.id group by model order by 2 desc, 1 limit 1) g on true
               order by h.id"""
        )
        rows = await cursor.fetchall()
    return {row.pop("id"): row for row in rows}
