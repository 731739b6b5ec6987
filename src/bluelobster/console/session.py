"""One viewer at one screen, from the ticket on: the machine's screen is opened, then bytes pass both ways."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import UUID

from psycopg import OperationalError
from psycopg_pool import PoolTimeout

from bluelobster.access.sealing import Seal
from bluelobster.catalog.connections import Connections
from bluelobster.clock import Clock
from bluelobster.console.rfb import RfbError, log_in
from bluelobster.console.right import may_still
from bluelobster.console.stream import Ended, Stream, Wire
from bluelobster.console.tickets import Screen, use
from bluelobster.db.pool import Pool, transaction
from bluelobster.instances.machine import is_marked
from bluelobster.pve import WebSocket, errors
from bluelobster.stopping import stop

log = logging.getLogger(__name__)

MOST_SESSIONS = 200
# Of one account, so that nobody takes them all.
MOST_OF_AN_ACCOUNT = 40
OPENING_SECONDS = 20.0
STALLED_SECONDS = 60.0
LONGEST_SECONDS = 12 * 3600.0

USED = "This ticket was used already, or is older than 30 seconds. Ask for a new one."
STOPPED = "The machine does not run. Start it, then ask for a new ticket."
SILENT = "The machine's screen does not answer at the moment. Ask for a new ticket."
CROWDED = "Too many consoles are open at the moment. Try again later."


class Refused(Exception):
    """No screen for this viewer. `code` is the websocket's close code; the text is for people."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Parts(Protocol):
    """What the console needs of what the application is made of."""

    @property
    def pool(self) -> Pool: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def seal(self) -> Seal: ...
    @property
    def connections(self) -> Connections: ...


class Sessions:
    """All sessions of this process."""

    def __init__(self, parts: Parts, check_seconds: float) -> None:
        self._parts = parts
        self._check_seconds = check_seconds
        self._open = 0
        self._of_account: Counter[UUID] = Counter()

    @asynccontextmanager
    async def screen(self, ticket_id: UUID | None) -> AsyncIterator[Wire]:
        """Use a ticket up and open its screen, logged in. Raises Refused."""
        if self._open >= MOST_SESSIONS:
            raise Refused(4429, CROWDED)
        self._open += 1
        screen = None
        try:
            async with transaction(self._parts.pool) as tx:
                found = await use(tx, ticket_id, self._parts.clock.now()) if ticket_id else None
                if found is not None and self._of_account[found.account_id] >= MOST_OF_AN_ACCOUNT:
                    raise Refused(4429, CROWDED)
                if found is not None:
                    screen = found
                    self._of_account[screen.account_id] += 1
            if screen is None or not await may_still(self._parts.pool, screen, self._parts.clock.now()):
                raise Refused(4401, USED)
            if not screen.running:
                raise Refused(4409, STOPPED)
            async with self._opened(screen) as wire:
                yield wire
        finally:
            self._open -= 1
            if screen is not None:
                self._of_account -= Counter([screen.account_id])

    @asynccontextmanager
    async def _opened(self, screen: Screen) -> AsyncIterator[Wire]:
        pve = await self._parts.connections.to(screen.host_id)
        socket = watching = None
        try:
            try:
                async with asyncio.timeout(OPENING_SECONDS):
                    if not is_marked(await pve.vm_config(screen.vmid), screen.instance_id):
                        raise Refused(4409, STOPPED)
                    ticket = await pve.vncproxy(screen.vmid)
                    socket = await pve.vncwebsocket(screen.vmid, ticket)
                    wire = Wire(socket)
                    await log_in(wire, ticket.password)
            except (errors.PveError, RfbError, Ended, ConnectionError, TimeoutError) as error:
                log.warning("no screen of instance %s: %s", screen.instance_id, error or type(error).__name__)
                raise Refused(4502, SILENT) from error
            watching = asyncio.create_task(self._end_with_the_right(screen, socket))
            yield wire
        finally:
            if watching is not None:
                await stop(watching)
            if socket is not None:
                await socket.close()

    async def _end_with_the_right(self, screen: Screen, socket: WebSocket) -> None:
        """A key that was revoked, or somebody who was removed, types no more."""
        allowed = True
        while allowed:
            await asyncio.sleep(self._check_seconds)
            with suppress(OperationalError, PoolTimeout):
                allowed = await may_still(self._parts.pool, screen, self._parts.clock.now())
        await socket.close()


async def join(viewer: Stream, screen: Stream) -> None:
    """Pass bytes both ways until one side ends, takes nothing for a minute, or half a day is over."""
    ways = [asyncio.create_task(_pass_on(viewer, screen)), asyncio.create_task(_pass_on(screen, viewer))]
    try:
        await asyncio.wait(ways, timeout=LONGEST_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await stop(*ways)


async def _pass_on(source: Stream, sink: Stream) -> None:
    try:
        while data := await source.read():
            async with asyncio.timeout(STALLED_SECONDS):
                await sink.write(data)
    except (ConnectionError, TimeoutError) as error:
        log.debug("a console ends: %s", error or type(error).__name__)
