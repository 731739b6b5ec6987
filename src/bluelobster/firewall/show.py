"""Read the firewall of an instance, or one of its rules."""

from typing import Any

from bluelobster.access.principal import Sight
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool
from bluelobster.firewall.reach import place_of, reaching
from bluelobster.firewall.status import NEW, FirewallStatus, rule_json, status_of
from bluelobster.firewall.wall import read_wall
from bluelobster.http.errors import NotFound


async def show(pool: Pool, connections: Connections, sight: Sight, instance_id: str) -> FirewallStatus:
    """The firewall; that of an instance which is still being made is as it will begin. Raises NotFound, Unavailable."""
    place = await place_of(pool, sight, instance_id)
    if place.instance.status == "creating":
        return NEW
    async with reaching(connections, place.instance) as pve:
        return status_of(await read_wall(pve, place.instance.vmid), place.rules_act)


async def show_rule(pool: Pool, connections: Connections, sight: Sight, instance_id: str, pos: int) -> dict[str, Any]:
    """The rule at a position. Raises NotFound, Unavailable."""
    place = await place_of(pool, sight, instance_id)
    if place.instance.status == "creating":
        raise rule_not_found(pos)
    async with reaching(connections, place.instance) as pve:
        own = (await read_wall(pve, place.instance.vmid)).own
    if not 0 <= pos < len(own):
        raise rule_not_found(pos)
    return rule_json(own[pos], pos)


def rule_not_found(pos: int) -> NotFound:
    return NotFound("rule_not_found", f"Rule at position {pos} not found")
