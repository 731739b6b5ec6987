"""Rename: our record at once, the guest's host name at its next power cycle."""

from datetime import datetime
from typing import Any

from psycopg.errors import UniqueViolation

from bluelobster.access.principal import Principal
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.instances.find import find_instance
from bluelobster.instances.names import checked_name


async def rename(tx: Tx, caller: Principal, instance_id: str, body: object, now: datetime) -> dict[str, Any]:
    """Give an instance the name in the body. Raises NotFound and InvalidRequest."""
    # Two instances that take each other's name would wait for each other.
    await tx.execute("select pg_advisory_xact_lock(hashtextextended('names of ' || %s, 0))", (str(caller.account_id),))
    missing = NotFound("not_found", "Instance not found")
    instance = await find_instance(tx, caller.sight, instance_id, missing, lock=True)
    name = checked_name(body.get("name") if isinstance(body, dict) else None)
    try:
        async with tx.transaction():
            await tx.execute("update instances set name = %s, updated_at = %s where id = %s", (name, now, instance.id))
    except UniqueViolation as error:
        raise InvalidRequest("name_taken", f"An instance named {name} exists already; choose another name") from error
    if name != instance.name:
        await record_instance(tx, "instance.renamed", instance.id, now, caller.key_prefix, old_name=instance.name)
    return {"message": "Instance renamed successfully", "instance_id": str(instance.id), "new_name": name}
