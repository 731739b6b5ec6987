"""The console gateway: one TCP port for websockets and for plain VNC viewers. Customers never meet a hypervisor."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web

from bluelobster.console.address import Address, public_address
from bluelobster.console.session import Parts, Sessions
from bluelobster.console.stream import TcpStream
from bluelobster.console.viewer import Viewers
from bluelobster.console.websocket import WebSockets
from bluelobster.settings import Settings
from bluelobster.stopping import stop

log = logging.getLogger(__name__)

# A websocket's client speaks first, a VNC viewer waits for the server.
SILENCE_SECONDS = 0.4
ONE_MORE_LOOK_SECONDS = 0.02
REQUEST_SECONDS = 15.0
MOST_CONNECTIONS = 1000
BACKLOG = 128
SHUTDOWN_SECONDS = 1.0
LINGER_SECONDS = 5.0


class Inside:
    """What connections are led to, by their first words."""

    def __init__(self, parts: Parts, check_seconds: float) -> None:
        sessions = Sessions(parts, check_seconds)
        self._websockets = WebSockets(parts, sessions)
        self._viewers = Viewers(parts, sessions)
        self._http = web.Server(self._answer, access_log=None)
        self._serving: set[asyncio.Task[None]] = set()
        self._unasked: set[asyncio.BaseTransport] = set()
        self.waiting = 0

    @property
    def full(self) -> bool:
        return self.waiting + len(self._http.connections) + len(self._serving) >= MOST_CONNECTIONS

    def speak_http(self, transport: asyncio.Transport, first: bytes) -> None:
        """Let aiohttp take a connection over. Whoever does not finish a request in time is cut off."""
        protocol = self._http()
        self._unasked.add(transport)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(first)
        asyncio.get_running_loop().call_later(REQUEST_SECONDS, self._check, transport)

    def speak_rfb(self, transport: asyncio.Transport, first: bytes) -> None:
        """Serve a VNC viewer on a connection."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if first:
            protocol.data_received(first)
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        task = loop.create_task(self._serve(TcpStream(reader, writer), transport))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def close(self) -> None:
        """End all sessions."""
        await stop(*self._serving)
        await self._http.shutdown(SHUTDOWN_SECONDS)

    async def _serve(self, stream: TcpStream, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        try:
            await self._viewers.serve(stream, peer[0] if peer else "")
        except Exception:
            log.exception("a viewer could not be served")
        finally:
            transport.close()
            # It would stay for as long as a viewer that reads no further leaves something unsent.
            asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            self._unasked.discard(request.transport)
        return await self._websockets.answer(request)

    def _check(self, transport: asyncio.Transport) -> None:
        if transport in self._unasked:
            self._unasked.discard(transport)
            transport.abort()


class Door(asyncio.Protocol):
    """A new connection, until its first words or its silence tell what it is."""

    def __init__(self, inside: Inside) -> None:
        self._inside = inside
        self._transport: asyncio.Transport | None = None
        self._silence: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._inside.full:
            self._transport.abort()
            return
        self._inside.waiting += 1
        self._silence = asyncio.get_running_loop().call_later(SILENCE_SECONDS, self._look_again)

    def data_received(self, data: bytes) -> None:
        self._enter(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._leave()

    def _look_again(self) -> None:
        """A loop that was busy meanwhile may run its timers before it reads what has long been there."""
        self._silence = asyncio.get_running_loop().call_later(ONE_MORE_LOOK_SECONDS, self._enter, b"")

    def _leave(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
            self._silence = None
            self._inside.waiting -= 1

    def _enter(self, first: bytes) -> None:
        if self._silence is None or self._transport is None:
            return
        self._leave()
        if not first or first.startswith(b"RFB"):
            self._inside.speak_rfb(self._transport, first)
        else:
            self._inside.speak_http(self._transport, first)


@asynccontextmanager
async def running_gateway(parts: Parts, settings: Settings) -> AsyncIterator[Address]:
    """The gateway, for as long as the block lasts; gives where customers find it. OSError when its port cannot be
    had, ValueError for settings that cannot work."""
    inside = Inside(parts, settings.event_check_seconds)
    loop = asyncio.get_running_loop()
    host = settings.console_host
    server = await loop.create_server(lambda: Door(inside), host or None, settings.console_port, backlog=BACKLOG)
    try:
        port = server.sockets[0].getsockname()[1]
        yield public_address(host, port, settings.console_public_url, settings.console_public_vnc)
    finally:
        server.close()
        await inside.close()
