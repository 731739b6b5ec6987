"""Calls about a machine's screen: a ticket, and the websocket that it opens."""

from dataclasses import dataclass, field

from bluelobster.pve.calls import Calls
from bluelobster.pve.fields import Fields, integer, mapping, text
from bluelobster.pve.websocket import WebSocket, open_websocket


@dataclass(frozen=True)
class VncTicket:
    """What opens a screen once, within about ten seconds. The screen itself asks for the password (RFB security
    type 2)."""

    port: int
    ticket: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def parse(cls, fields: Fields) -> "VncTicket":
        return cls(port=integer(fields, "port"), ticket=text(fields, "ticket"), password=text(fields, "password"))


class ConsoleCalls(Calls):
    """The screen of a machine, through the API: no other port of the node is needed."""

    async def vncproxy(self, vmid: int) -> VncTicket:
        """A ticket for the screen of a machine; one that does not run has a ticket, too. Raises VmNotFound."""
        return VncTicket.parse(
            mapping(await self._transport.post(self._path("qemu", vmid, "vncproxy"), {"websocket": 1}))
        )

    async def vncwebsocket(self, vmid: int, ticket: VncTicket) -> WebSocket:
        """The screen: a stream of RFB, which the caller has to close. It ends at once for a machine that does not
        run. Raises Unauthorized for a ticket that is not valid."""
        path = self._path("qemu", vmid, "vncwebsocket")
        return await open_websocket(self._transport.endpoint, path, {"port": ticket.port, "vncticket": ticket.ticket})
