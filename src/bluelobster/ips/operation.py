"""Begin an operation on one address of an instance."""

from datetime import datetime
from uuid import UUID

from bluelobster.db.pool import Tx
from bluelobster.instances.find import Found, busy
from bluelobster.ips.card import Card
from bluelobster.tasks.operation import Operation
from bluelobster.tasks.spawn import Busy, Order, Origin, spawn


async def begin_on_address(
    tx: Tx, operation: Operation[Card], instance: Found, address: str, origin: Origin, now: datetime
) -> UUID:
    """Queue it; raises InvalidRequest while another operation runs on the instance."""
    params = {
        "vm_uuid": str(instance.id),
        "host_id": instance.host_id,
        "account_id": str(origin.account_id),
        "ip_address": address,
    }
    try:
        return await spawn(tx, Order(operation, instance.id, params, "Queued", origin, now))
    except Busy:
        raise busy() from None
