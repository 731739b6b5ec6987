"""The way to an instance's firewall: within the caller's sight, on a host that answers, on a machine that is ours."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from bluelobster.access.principal import Sight
from bluelobster.catalog.connections import Connections
from bluelobster.db.pool import Pool, transaction
from bluelobster.http.errors import Conflict, InvalidRequest, Unavailable
from bluelobster.instances.find import Found, find_instance, instance_not_found
from bluelobster.instances.machine import is_marked
from bluelobster.pve import PveClient, errors


@dataclass(frozen=True)
class Place:
    """An instance, and whether its host's data center lets rules act, as far as is known."""

    instance: Found
    rules_act: bool


async def place_of(pool: Pool, sight: Sight, instance_id: str) -> Place:
    """Raises NotFound."""
    async with transaction(pool) as tx:
        instance = await find_instance(tx, sight, instance_id, instance_not_found(instance_id))
        cursor = await tx.execute("select firewall is not false from hosts where id = %s", (instance.host_id,))
        row = await cursor.fetchone()
    return Place(instance, row is None or bool(row[0]))


@asynccontextmanager
async def reaching(connections: Connections, instance: Found) -> AsyncIterator[PveClient]:
    """Calls about an instance's firewall; what the hypervisor answers in the block is said in our words. Raises
    InvalidRequest for a rule that it refuses, Conflict where others keep changing the firewall, and Unavailable."""
    pve = await connections.to(instance.host_id)
    try:
        if not is_marked(await pve.vm_config(instance.vmid), instance.id):
            raise errors.VmNotFound("the hypervisor has another machine under its number")
        yield pve
    except errors.InvalidParameter as error:
        why = "; ".join(f"{name}: {reason}" for name, reason in error.errors.items()) or error.text
        raise InvalidRequest("invalid_rule", f"The hypervisor refuses the rule: {why}") from error
    except errors.ConfigChanged as error:
        message = "The firewall was changed by others at the same time; read it again"
        raise Conflict("firewall_changed", message) from error
    except errors.PveError as error:
        message = "The hypervisor does not answer at the moment; try again shortly"
        raise Unavailable("firewall_unavailable", message) from error
