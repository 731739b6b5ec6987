"""Assign an additional address: from the request to a card that the guest can use, or to nothing."""

from datetime import datetime
from typing import Any

from bluelobster.billing.address_usage import begin_address_usage
from bluelobster.billing.prices import price_of
from bluelobster.billing.require import require_paid_up
from bluelobster.clock import Clock
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest
from bluelobster.instances.find import Found, must_be_rented
from bluelobster.ips.card import Card, allow, forbid, host_of, load_card, plug, unplug, wait_for_guest
from bluelobster.ips.listing import entry
from bluelobster.ips.operation import begin_on_address
from bluelobster.network.addresses import Need, NoAddress, addresses_of, release_address, take
from bluelobster.quotas.require import require_quotas
from bluelobster.tasks.operation import Ended, Operation, Step
from bluelobster.tasks.spawn import Origin

# Proxmox VE has 32 cards; more than a few are more often a mistake than wanted.
MOST_CARDS = 16


async def assign_address(tx: Tx, instance: Found, origin: Origin, now: datetime) -> dict[str, Any]:
    """Reserve an address and queue its card. Raises InvalidRequest: busy, too many, none free; QuotaExceeded; and
    PaymentRequired."""
    must_be_rented(instance)
    cards = {each.nic for each in await addresses_of(tx, instance.id)}
    nic = next((each for each in range(1, MOST_CARDS) if each not in cards), None)
    if nic is None:
        raise InvalidRequest("ip_limit_reached", f"An instance has at most {MOST_CARDS} network cards")
    price = await price_of(tx, "ip_address_month", now)
    try:
        address = await take(tx, Need(instance.id, instance.region, nic, price=price), now)
    except NoAddress:
        raise InvalidRequest("no_available_ips", "No IP addresses are available in this region") from None
    await require_quotas(tx, origin.account_id, {"addresses": 1})
    await require_paid_up(tx, instance.id, now)
    task_id = await begin_on_address(tx, ASSIGN_IP, instance, address, origin, now)
    (assigned,) = (each for each in await addresses_of(tx, instance.id) if each.nic == nic)
    return {
        **entry(assigned),
        "instance_id": str(instance.id),
        "task_id": str(task_id),
        "status": "PENDING",
        "message": "IP address assignment queued",
    }


async def keep(card: Card, tx: Tx, clock: Clock) -> Ended:
    """From here on the address is the customer's, and costs."""
    await begin_address_usage(tx, card.machine.id, card.address.address, clock.now())
    return Ended(
        f"IP address {card.address.address} assigned; "
        "a guest that does not set up new network cards by itself uses it after its next power cycle"
    )


async def give_back(card: Card, tx: Tx, clock: Clock) -> None:
    await release_address(tx, card.machine.id, card.address.address, clock.now())


ASSIGN_IP = Operation[Card](
    name="assign_ip",
    load=load_card,
    host_of=host_of,
    steps=(
        Step("Letting the address through", allow, undo=forbid),
        Step("Adding the network card", plug, undo=unplug),
        Step("Waiting for the guest to use the address", wait_for_guest),
    ),
    done=keep,
    failed=give_back,
    complaint="Failed to assign IP address",
    deadline_seconds=5 * 60,
)
