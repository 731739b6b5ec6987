"""Plain VNC viewers: they prove the password that came with a ticket."""

import asyncio
import hmac
import logging
import secrets
from uuid import UUID

from bluelobster.console import rfb
from bluelobster.console.attempts import Attempts
from bluelobster.console.session import Parts, Refused, Sessions, join
from bluelobster.console.stream import Ended, Stream, Wire
from bluelobster.console.tickets import passwords

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 40.0
WRONG = "Wrong password, or its 30 seconds are over. Ask for a new ticket."
TOO_MANY = "Too many wrong passwords from your address. Wait a minute."


class Viewers:
    """Serves viewers that speak nothing but RFB."""

    def __init__(self, parts: Parts, sessions: Sessions) -> None:
        self._parts = parts
        self._sessions = sessions
        self._attempts = Attempts()

    async def serve(self, stream: Stream, address: str) -> None:
        """One viewer, until it leaves. People type the password meanwhile, so there is time for it."""
        viewer = Wire(stream)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                version = await rfb.greet(viewer)
                if self._attempts.too_many(address):
                    await rfb.turn_away(viewer, version, TOO_MANY)
                    return
                ticket_id = await self._identified(viewer, version)
            if ticket_id is None:
                self._attempts.count(address)
                await rfb.refuse(viewer, version, WRONG)
            else:
                await self._show(viewer, version, ticket_id)
        except (rfb.RfbError, Ended, ConnectionError, TimeoutError) as error:
            log.debug("a viewer is gone: %s", error or type(error).__name__)

    async def _show(self, viewer: Wire, version: int, ticket_id: UUID) -> None:
        try:
            async with self._sessions.screen(ticket_id) as screen:
                await rfb.admit(viewer, version, rfb.VNC_AUTHENTICATION)
                await join(viewer, screen)
        except Refused as refusal:
            await rfb.refuse(viewer, version, refusal.text)

    async def _identified(self, viewer: Wire, version: int) -> UUID | None:
        """The ticket whose password the viewer has proved, if there is exactly one."""
        await rfb.offer(viewer, version, rfb.VNC_AUTHENTICATION)
        challenge = secrets.token_bytes(rfb.CHALLENGE_BYTES)
        await viewer.write(challenge)
        response = await viewer.exactly(rfb.CHALLENGE_BYTES)
        async with self._parts.pool.connection() as connection:
            known = await passwords(connection, self._parts.seal, self._parts.clock.now())
        proved = [
            ticket_id
            for ticket_id, password in known.items()
            if hmac.compare_digest(rfb.vnc_response(password, challenge), response)
        ]
        return proved[0] if len(proved) == 1 else None
