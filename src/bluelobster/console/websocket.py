"""Websockets that carry RFB: what noVNC speaks. The ticket in the URL is all that they need."""

import asyncio
import logging

from aiohttp import WSCloseCode, web

from bluelobster.console import rfb
from bluelobster.console.session import Parts, Refused, Sessions, join
from bluelobster.console.stream import Ended, WebStream, Wire
from bluelobster.console.tickets import id_of

log = logging.getLogger(__name__)

PATH = "/console/websocket"
HEARTBEAT_SECONDS = 30.0
HANDSHAKE_SECONDS = 20.0
GOODBYE_SECONDS = 5.0
LARGEST_FRAME = 1 << 20


class WebSockets:
    """Answers HTTP requests to the gateway, which has nothing but websockets to give."""

    def __init__(self, parts: Parts, sessions: Sessions) -> None:
        self._pool = parts.pool
        self._sessions = sessions

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """The screen that a ticket opens. A refusal is said in the websocket's close: nothing else of it reaches a
        page's script."""
        socket = web.WebSocketResponse(
            protocols=("binary",), heartbeat=HEARTBEAT_SECONDS, compress=False, max_msg_size=LARGEST_FRAME
        )
        if request.path != PATH:
            return web.Response(status=404, text="Not found\n")
        if not socket.can_prepare(request):
            return web.Response(status=426, headers={"Upgrade": "websocket"})
        await socket.prepare(request)
        code, text = WSCloseCode.OK.value, ""
        try:
            await self._show(socket, request.query.get("ticket", ""))
        except Refused as refusal:
            code, text = refusal.code, refusal.text
        except (rfb.RfbError, Ended, ConnectionError, TimeoutError) as error:
            log.debug("a websocket is gone: %s", error or type(error).__name__)
            code = WSCloseCode.PROTOCOL_ERROR.value
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                await socket.close(code=code, message=text.encode())
        except TimeoutError:
            # Its viewer reads no further.
            if request.transport is not None:
                request.transport.abort()
        return socket

    async def _show(self, socket: web.WebSocketResponse, ticket: str) -> None:
        async with self._pool.connection() as connection:
            ticket_id = await id_of(connection, ticket)
        async with self._sessions.screen(ticket_id) as screen:
            viewer = Wire(WebStream(socket))
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                version = await rfb.greet(viewer)
                await rfb.offer(viewer, version, rfb.NO_AUTHENTICATION)
                await rfb.admit(viewer, version, rfb.NO_AUTHENTICATION)
            await join(viewer, screen)
