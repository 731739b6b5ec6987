"""The routes of an instance's firewall."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from bluelobster.access.route import Caller, Database, IdentifiedRoute
from bluelobster.catalog.connections import Connections
from bluelobster.firewall import add_rule as adding
from bluelobster.firewall import delete_rule as deleting
from bluelobster.firewall import show
from bluelobster.firewall.rule import FirewallRule
from bluelobster.firewall.settings import FirewallOptions, update
from bluelobster.firewall.status import FirewallStatus
from bluelobster.instances.routes import connections_of

router = APIRouter(prefix="/api/v1/instances/{instance_id}/firewall", tags=["FIREWALL"], route_class=IdentifiedRoute)

Hosts = Annotated[Connections, Depends(connections_of)]


@router.get("", summary="Firewall of an instance", response_model_exclude_none=True)
async def get_instance_firewall(instance_id: str, caller: Caller, pool: Database, hosts: Hosts) -> FirewallStatus:
    """Settings and rules, in the order in which rules are tried."""
    return await show.show(pool, hosts, caller.sight, instance_id)


@router.put("", summary="Change firewall settings")
async def update_instance_firewall(
    instance_id: str, options: FirewallOptions, caller: Caller, pool: Database, hosts: Hosts
) -> Any:
    """Switch the firewall on or off and set its policies. It acts at once. Have a rule for SSH before you drop what
    comes in."""
    return await update(pool, hosts, caller.sight, instance_id, options)


@router.post("/rules", summary="Add a firewall rule")
async def add_firewall_rule(instance_id: str, rule: FirewallRule, caller: Caller, pool: Database, hosts: Hosts) -> Any:
    """A new rule comes to position 0, in front of all others, and acts at once."""
    return await adding.add_rule(pool, hosts, caller.sight, instance_id, rule)


@router.get("/rules/{pos}", summary="A firewall rule")
async def get_firewall_rule(instance_id: str, pos: int, caller: Caller, pool: Database, hosts: Hosts) -> Any:
    """The rule at a position, counted from 0."""
    return await show.show_rule(pool, hosts, caller.sight, instance_id, pos)


@router.delete("/rules/{pos}", summary="Delete a firewall rule")
async def delete_firewall_rule(instance_id: str, pos: int, caller: Caller, pool: Database, hosts: Hosts) -> Any:
    """Delete the rule at a position; those behind it move up. It stops acting at once."""
    return await deleting.delete_rule(pool, hosts, caller.sight, instance_id, pos)
