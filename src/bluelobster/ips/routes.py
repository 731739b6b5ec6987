"""The routes of an instance's addresses: who may, what comes in, the one call that does it."""

from typing import Any

from fastapi import APIRouter

from bluelobster.access.route import Caller, IdentifiedRoute, Reading, Time, Transaction
from bluelobster.instances.find import find_instance, instance_not_found
from bluelobster.instances.routes import From, Locked
from bluelobster.ips.assign import assign_address
from bluelobster.ips.listing import list_addresses
from bluelobster.ips.release import request_release

router = APIRouter(prefix="/api/v1/instances/{instance_id}/ips", tags=["INSTANCES"], route_class=IdentifiedRoute)


@router.get("", summary="IP addresses of an instance")
async def list_instance_ips(instance_id: str, caller: Caller, tx: Reading) -> Any:
    """The primary address and the additional ones, each with its network card and its price."""
    instance = await find_instance(tx, caller.sight, instance_id, instance_not_found(instance_id))
    return await list_addresses(tx, instance.id)


@router.post("", summary="Assign an additional IP address")
async def assign_instance_ip(instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Assign one more address, on a network card of its own that a running machine gets at once. It costs
    `price_cents_per_month` from when it can be used; a guest that does not set up new network cards by itself uses it
    after its next power cycle."""
    return await assign_address(tx, instance, origin, clock.now())


@router.delete("/{ip_address}", summary="Release an additional IP address")
async def release_instance_ip(ip_address: str, instance: Locked, origin: From, tx: Transaction, clock: Time) -> Any:
    """Take an additional address and its network card away. The primary address stays as long as the instance."""
    return await request_release(tx, instance, ip_address, origin, clock.now())
