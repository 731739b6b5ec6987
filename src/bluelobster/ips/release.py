"""Release an additional address: from the request to a card that is gone, and an address that others may have."""

from datetime import datetime
from ipaddress import AddressValueError, IPv4Address
from typing import Any

from bluelobster.billing.address_usage import end_address_usage
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.instances.find import Found, must_be_rented
from bluelobster.ips.card import Card, allow, forbid, host_of, load_card, plug_again, unplug
from bluelobster.ips.listing import public_addresses
from bluelobster.ips.operation import begin_on_address
from bluelobster.network.addresses import Listed, release_address
from bluelobster.tasks.operation import Ended, Operation, Step
from bluelobster.tasks.spawn import Origin


async def request_release(tx: Tx, instance: Found, text: str, origin: Origin, now: datetime) -> dict[str, Any]:
    """Queue the end of an address. Raises NotFound, and InvalidRequest for the primary or only one, or while busy."""
    addresses = await public_addresses(tx, instance.id)
    address = _chosen(addresses, text)
    if len(addresses) == 1:
        raise InvalidRequest("cannot_release_last_ip", "Cannot release last IP")
    if address.is_primary:
        raise InvalidRequest("cannot_release_primary_ip", "Cannot release primary IP")
    must_be_rented(instance)
    task_id = await begin_on_address(tx, RELEASE_IP, instance, address.address, origin, now)
    return {
        "instance_id": str(instance.id),
        "ip_address": address.address,
        "task_id": str(task_id),
        "status": "PENDING",
        "message": "IP address release queued",
    }


def _chosen(addresses: list[Listed], text: str) -> Listed:
    try:
        wanted = str(IPv4Address(text))
    except AddressValueError:
        wanted = ""
    for address in addresses:
        if address.address == wanted:
            return address
    raise NotFound("ip_not_found", f"IP address {text[:64]} is not assigned to this instance")


async def let_go(card: Card, tx: Tx, clock: Clock) -> Ended:
    """From here on the address costs nothing, and is free for others."""
    now = clock.now()
    await release_address(tx, card.machine.id, card.address.address, now)
    await end_address_usage(tx, card.machine.id, card.address.address, now)
    return Ended(f"IP address {card.address.address} released")


async def stay(card: Card, tx: Tx, clock: Clock) -> None:
    """The address stays the customer's, who may ask again."""


RELEASE_IP = Operation[Card](
    name="release_ip",
    load=load_card,
    host_of=host_of,
    steps=(
        Step("Removing the network card", unplug, undo=plug_again),
        Step("Letting the address through no longer", forbid, undo=allow),
    ),
    done=let_go,
    failed=stay,
    complaint="Failed to release IP address",
    deadline_seconds=5 * 60,
)
