"""What backups take and cost: all of them, and by instance."""

from datetime import datetime
from typing import Any

from psycopg.rows import dict_row

from bluelobster.access.principal import Sight
from bluelobster.backups.views import gigabytes
from bluelobster.billing.backup_usage import backup_cents
from bluelobster.billing.months import Month
from bluelobster.billing.prices import price_of
from bluelobster.db.pool import Tx


async def summary(tx: Tx, sight: Sight, now: datetime) -> dict[str, Any]:
    """Of everything within the caller's sight. The costs are those of the month so far, of backups that are deleted by
    now too."""
    month = Month.of(now)
    cents = await backup_cents(tx, sight.account_id, month, now)
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            """select i.id, i.name, i.ended_at is not null as deleted, count(b.id) as count,
                      coalesce(sum(b.size_bytes), 0)::bigint as size, coalesce(sum(b.stored_bytes), 0)::bigint as stored
               from instances i
               left join backups b on b.instance_id = i.id and b.status in ('available', 'deleting')
               where i.account_id = %(account_id)s and (%(team_id)s::uuid is null or i.team_id = %(team_id)s)
               group by i.id having count(b.id) > 0 or i.id = any(%(billed)s)
               order by size desc, i.name, i.id""",
            {**vars(sight), "billed": list(cents)},
        )
        rows = await cursor.fetchall()
    entries = [
        {
            "instance_id": str(row["id"]),
            "instance_name": row["name"],
            "instance_deleted": row["deleted"],
            "backup_count": row["count"],
            "size_bytes": row["size"],
            "size_gb": gigabytes(row["size"]),
            "stored_bytes": row["stored"],
            "cost_this_month_cents": cents.get(row["id"], 0),
        }
        for row in rows
    ]
    total = sum(each["size_bytes"] for each in entries)
    return {
        "total_bytes": total,
        "total_gb": gigabytes(total),
        "stored_bytes": sum(each["stored_bytes"] for each in entries),
        "backup_count": sum(each["backup_count"] for each in entries),
        "price_cents_per_gb_month": await price_of(tx, "backup_gb_month", now),
        "month": f"{month.began:%Y-%m}",
        "cost_this_month_cents": sum(each["cost_this_month_cents"] for each in entries),
        "by_instance": entries,
    }
