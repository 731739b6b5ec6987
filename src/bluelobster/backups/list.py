"""The lists of backups: of an instance, and of everything within the caller's sight."""

from typing import Any

from psycopg.rows import dict_row

from bluelobster.access.principal import Sight
from bluelobster.backups.find import VISIBLE
from bluelobster.backups.views import shown
from bluelobster.clock import rfc3339_sql
from bluelobster.db.pool import Tx
from bluelobster.instances.find import Found
from bluelobster.instances.views import HOLDING_TASK, IN_PROGRESS

ENTRY = f"""b.volid, b.size_bytes, b.stored_bytes, {rfc3339_sql("b.created_at")} as created_at, b.format, b.notes,
            b.scheduled, b.protected, b.status = 'deleting' as deleting"""


async def list_of_instance(tx: Tx, sight: Sight, instance: Found) -> dict[str, Any]:
    """The backups of an instance, and what is being done about them."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""select {ENTRY} from backups b join instances i on i.id = b.instance_id
                where {VISIBLE} and b.instance_id = %(instance_id)s order by b.created_at desc, b.id""",
            {**vars(sight), "instance_id": instance.id},
        )
        backups = [shown(row) for row in await cursor.fetchall()]
        await cursor.execute(
            f"""select h.backup_storage as storage, {IN_PROGRESS}
                from instances i join hosts h on h.id = i.host_id {HOLDING_TASK} where i.id = %s""",
            (instance.id,),
        )
        state = await cursor.fetchone() or {}
    return {"instance_id": str(instance.id), **state, "backups": backups, "total": len(backups)}


async def list_of_account(tx: Tx, sight: Sight) -> dict[str, Any]:
    """All backups within the caller's sight, those of deleted instances too."""
    async with tx.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(
            f"""select {ENTRY}, i.id::text as instance_id, i.name as instance_name,
                       i.ended_at is not null as instance_deleted
                from backups b join instances i on i.id = b.instance_id
                where {VISIBLE} order by b.created_at desc, b.id""",
            vars(sight),
        )
        backups = [shown(row) for row in await cursor.fetchall()]
    return {"backups": backups, "total": len(backups), "total_size_bytes": sum(each["size_bytes"] for each in backups)}
