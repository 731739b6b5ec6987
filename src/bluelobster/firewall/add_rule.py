"""Add a rule to the firewall of an instance."""

from typing import Any

from bluelobster.access.principal import Sight
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool
from bluelobster.firewall.changing import changing
from bluelobster.firewall.reach import place_of, reaching
from bluelobster.firewall.rule import FirewallRule, checked_rule
from bluelobster.firewall.wall import Wall, marks_to_the_front, once, read_wall
from bluelobster.instances.find import must_be_rented
from bluelobster.pve import PveClient
from bluelobster.pve import firewall as pve_firewall


async def add_rule(
    pool: Pool, connections: Connections, sight: Sight, instance_id: str, wanted: FirewallRule
) -> dict[str, Any]:
    """Put a rule in front of all others, at once. Raises NotFound, InvalidRequest, Conflict, Unavailable."""
    place = await place_of(pool, sight, instance_id)
    rule = checked_rule(wanted)
    must_be_rented(place.instance)
    async with changing(pool, place) as place, reaching(connections, place.instance) as pve:
        await put_in_front(pve, place.instance.vmid, rule)
    return {"status": "success", "message": "Firewall rule added", "rule": {"pos": 0, **rule}}


async def put_in_front(pve: PveClient, vmid: int, rule: dict[str, str | int]) -> None:
    """Before all of the customer's rules. While the firewall is switched off, the rule must not act for a moment
    either: it rests until it is behind our marks."""
    if not (await read_wall(pve, vmid)).marks:
        await pve.add_firewall_rule(vmid, rule)
        await marks_to_the_front(pve, vmid)
        return
    await pve.add_firewall_rule(vmid, {**rule, "enable": 0})
    await marks_to_the_front(pve, vmid)
    if rule["enable"]:
        await once(
            pve,
            vmid,
            lambda wall: resting(wall, rule),
            lambda found: pve.change_firewall_rule(vmid, found.pos, {"enable": 1, "digest": found.digest}),
        )


def resting(wall: Wall, rule: dict[str, str | int]) -> pve_firewall.FirewallRule | None:
    """The foremost rule that says the same and does not act."""
    fields = {name: value for name, value in rule.items() if name not in ("type", "action", "enable")}
    return next(
        (
            found
            for found in wall.own
            if (found.type, found.action, found.enabled) == (rule["type"], rule["action"], False)
            and found.fields == fields
        ),
        None,
    )
