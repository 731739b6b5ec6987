"""Delete a rule from the firewall of an instance."""

from typing import Any

from bluelobster.access.principal import Sight
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool
from bluelobster.firewall.changing import changing
from bluelobster.firewall.reach import place_of, reaching
from bluelobster.firewall.show import rule_not_found
from bluelobster.firewall.wall import read_wall
from bluelobster.instances.find import must_be_rented


async def delete_rule(pool: Pool, connections: Connections, sight: Sight, instance_id: str, pos: int) -> dict[str, Any]:
    """Delete the rule at a position; those behind it move up. Raises NotFound, Unavailable, and Conflict when the
    firewall changed in between: another rule may have come to that position."""
    place = await place_of(pool, sight, instance_id)
    must_be_rented(place.instance)
    async with changing(pool, place) as place, reaching(connections, place.instance) as pve:
        own = (await read_wall(pve, place.instance.vmid)).own
        if not 0 <= pos < len(own):
            raise rule_not_found(pos)
        await pve.delete_firewall_rule(place.instance.vmid, own[pos].pos, own[pos].digest)
    return {"status": "success", "message": f"Firewall rule at position {pos} deleted"}
