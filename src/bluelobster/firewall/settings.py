"""Switch the firewall of an instance on or off, and say what happens to packets that no rule matches."""

from typing import Any

from pydantic import Field

from bluelobster.access.principal import Sight
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool
from bluelobster.firewall.changing import changing
from bluelobster.firewall.reach import place_of, reaching
from bluelobster.firewall.status import POLICY, status_of
from bluelobster.firewall.wall import read_wall, switch_off, switch_on
from bluelobster.http.errors import InvalidRequest
from bluelobster.http.text import RequestBody
from bluelobster.instances.find import must_be_rented
from bluelobster.instances.protection import FILTERS

POLICIES = ("ACCEPT", "DROP")


class FirewallOptions(RequestBody):
    """Settings of a firewall; what is left out or null stays as it is."""

    enable: bool | None = Field(None, description="`false` keeps the rules and lets none of them act")
    policy_in: str | None = Field(None, description="Inbound packets that no rule matches: `ACCEPT` or `DROP`")
    policy_out: str | None = Field(None, description="Outbound packets that no rule matches: `ACCEPT` or `DROP`")


async def update(
    pool: Pool, connections: Connections, sight: Sight, instance_id: str, wanted: FirewallOptions
) -> dict[str, Any]:
    """Change settings at once. Raises NotFound, InvalidRequest, Conflict, Unavailable."""
    place = await place_of(pool, sight, instance_id)
    policies = checked_policies(wanted)
    must_be_rented(place.instance)
    async with changing(pool, place) as place, reaching(connections, place.instance) as pve:
        vmid = place.instance.vmid
        before = (await read_wall(pve, vmid)).options
        unsaid = {"policy_in": before.policy_in or POLICY, "policy_out": before.policy_out or POLICY}
        if wanted.enable is False:
            await switch_off(pve, vmid)
        await pve.set_firewall_options(vmid, {**FILTERS, **unsaid, **policies})
        if wanted.enable is True:
            await switch_on(pve, vmid)
        status = status_of(await read_wall(pve, vmid), place.rules_act)
    return {
        "status": "success",
        "message": "Firewall options updated",
        "firewall": status.model_dump(exclude_none=True),
    }


def checked_policies(wanted: FirewallOptions) -> dict[str, str]:
    """The policies that were asked for. Raises InvalidRequest."""
    given = {"policy_in": wanted.policy_in, "policy_out": wanted.policy_out}
    for name, policy in given.items():
        if policy not in (None, *POLICIES):
            raise InvalidRequest("invalid_policy", f"{name}: must be ACCEPT or DROP, not {policy[:32]!a}", field=name)
    return {name: policy for name, policy in given.items() if policy is not None}
