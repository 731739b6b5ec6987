"""Which team a machine belongs to. It needs no operation: nothing on the hypervisor changes."""

from datetime import datetime
from typing import Any

from psycopg.errors import ForeignKeyViolation

from bluelobster.access.principal import Principal
from bluelobster.db.pool import Tx
from bluelobster.events.record import record_instance
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.instances.find import find_instance
from bluelobster.teams.teams import find_team, team_not_found


async def assign(tx: Tx, caller: Principal, instance_id: str, body: object, now: datetime) -> dict[str, Any]:
    """Put a machine into the team of `{"team_id": …}`, out of the one it is in. Raises NotFound, InvalidRequest."""
    instance = await find_instance(tx, caller.sight, instance_id, missing(), lock=True)
    team_id = body.get("team_id") if isinstance(body, dict) else None
    if not isinstance(team_id, str):
        raise InvalidRequest("invalid_request", 'team_id: say which team, as {"team_id": "<uuid>"}')
    team = await find_team(tx, caller.sight, team_id)
    change = "update instances set team_id = %s, updated_at = %s where id = %s"
    try:
        await tx.execute(change, (team.id, now, instance.id))
    except ForeignKeyViolation as error:
        raise team_not_found() from error
    await record_instance(tx, "instance.team", instance.id, now, caller.key_prefix, team_name=team.name)
    return {
        "message": "VM assigned to team successfully",
        "instance_id": str(instance.id),
        "team_id": str(team.id),
        "team_name": team.name,
    }


async def remove(tx: Tx, caller: Principal, instance_id: str, now: datetime) -> dict[str, Any]:
    """Take a machine out of its team, if it is in one. Raises NotFound."""
    instance = await find_instance(tx, caller.sight, instance_id, missing(), lock=True)
    await tx.execute("update instances set team_id = null, updated_at = %s where id = %s", (now, instance.id))
    await record_instance(tx, "instance.team", instance.id, now, caller.key_prefix, team_name=None)
    return {"message": "VM removed from team successfully", "instance_id": str(instance.id), "team_id": None}


def missing() -> NotFound:
    return NotFound("not_found", "Instance not found")
