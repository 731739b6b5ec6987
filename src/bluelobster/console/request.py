"""Asking for a console."""

from datetime import datetime
from typing import Any

from bluelobster.access.principal import Principal
from bluelobster.access.sealing import Seal
from bluelobster.clock import rfc3339
from bluelobster.console.address import Address
from bluelobster.console.tickets import Ticket, issue
from bluelobster.db.pool import Tx
from bluelobster.http.errors import InvalidRequest, NotFound
from bluelobster.instances.find import find_instance


async def request_console(tx: Tx, caller: Principal, instance_id: str, seal: Seal, now: datetime) -> Ticket:
    """A ticket for the screen of a running instance. Raises NotFound and InvalidRequest."""
    instance = await find_instance(tx, caller.sight, instance_id, NotFound("not_found", "Instance not found"))
    if instance.status != "rented" or instance.power_status != "running":
        raise InvalidRequest("invalid_state", "Instance must be running to access console")
    return await issue(tx, caller, instance.id, seal, now)


def ticket_answer(ticket: Ticket, address: Address, page_url: str) -> dict[str, Any]:
    """The ticket, and the three ways to use it."""
    return {
        "instance_id": str(ticket.instance_id),
        "ticket": ticket.text,
        "host": address.host,
        "port": address.port,
        "password": ticket.password,
        "websocket_url": address.websocket_url(ticket.text),
        "console_url": page_url,
        "expires_at": rfc3339(ticket.expires_at),
    }
