"""The public addresses of an instance, as the API shows them."""

from typing import Any
from uuid import UUID

from bluelobster.clock import rfc3339
from bluelobster.db.pool import Tx
from bluelobster.network.addresses import Listed, addresses_of


async def public_addresses(tx: Tx, instance_id: UUID) -> list[Listed]:
    """The primary address and the additional ones, in the order of their cards."""
    return [each for each in await addresses_of(tx, instance_id) if each.tag is None]


async def list_addresses(tx: Tx, instance_id: UUID) -> dict[str, Any]:
    entries = [entry(each) for each in await public_addresses(tx, instance_id)]
    return {"instance_id": str(instance_id), "ips": entries, "total": len(entries)}


def entry(address: Listed) -> dict[str, Any]:
    """The primary address costs nothing by itself."""
    return {
        "ip_address": address.address,
        "is_primary": address.is_primary,
        "prefix": address.prefix,
        "gateway": address.gateway,
        "mac_address": address.mac,
        "assigned_at": rfc3339(address.assigned_at),
        "price_cents_per_month": address.price_cents_per_month,
    }
