"""The route of the console: a ticket for a machine's screen."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request

from bluelobster.access.route import MARKED, Caller, IdentifiedRoute, Time, Transaction
from bluelobster.access.sealing import Seal
from bluelobster.console.address import Address
from bluelobster.console.page import address_of, page_url
from bluelobster.console.request import request_console, ticket_answer
from bluelobster.instances.routes import seal_of

router = APIRouter(prefix="/api/v1/instances", tags=["INSTANCES", "CONSOLE"], route_class=IdentifiedRoute)


@router.post("/{instance_id}/console", summary="Open an instance's console", dependencies=MARKED)
async def get_console_ticket(
    instance_id: str,
    request: Request,
    caller: Caller,
    tx: Transaction,
    clock: Time,
    seal: Annotated[Seal, Depends(seal_of)],
    address: Annotated[Address, Depends(address_of)],
) -> Any:
    """A ticket for the screen and keyboard of a running instance. It works once, within 30 seconds: in a browser
    (`console_url`), for a websocket client that speaks RFB (`websocket_url`), or for a VNC viewer at `host` and
    `port` with `password`."""
    ticket = await request_console(tx, caller, instance_id, seal, clock.now())
    return ticket_answer(ticket, address, page_url(request, ticket.text))
