"""VNC viewers of the tests' own: enough of RFB to type and to look."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from bluelobster.console.rfb import vnc_response
from bluelobster.console.stream import Ended, TcpStream, Wire

VNC_PASSWORD = 2


class WebSocketStream:
    """A websocket as a viewer opens it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def read(self) -> bytes:
        message = await self.socket.receive()
        return bytes(message.data) if message.type is aiohttp.WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self.socket.send_bytes(data)


@dataclass
class Viewer:
    """Somebody who was let in, and sees a screen."""

    wire: Wire
    width: int = 0
    height: int = 0
    name: str = ""
    picture: bytes = b""

    async def enter(self) -> None:
        """Ask for the screen, shared with others, and take a first look."""
        await self.wire.write(b"\1")
        self.width, self.height = struct.unpack(">HH", await self.wire.exactly(4))
        await self.wire.exactly(16)
        (length,) = struct.unpack(">I", await self.wire.exactly(4))
        self.name = (await self.wire.exactly(length)).decode()
        await self.look(incremental=False)

    async def press(self, text: str) -> None:
        """Press and release keys."""
        for character in text:
            for down in (1, 0):
                await self.wire.write(struct.pack(">BBxxI", 4, down, ord(character)))

    async def look(self, *, incremental: bool = True) -> None:
        """Wait for the next picture; an incremental one comes when something has changed."""
        await self.wire.write(struct.pack(">BB4H", 3, incremental, 0, 0, self.width, self.height))
        assert await self.wire.exactly(4) == struct.pack(">BxH", 0, 1)
        *_, width, height, encoding = struct.unpack(">4Hi", await self.wire.exactly(12))
        assert (width, height, encoding) == (self.width, self.height, 0)
        self.picture = await self.wire.exactly(4 * width * height)


class NotLetIn(Exception):
    """The server said no; the text is its reason, where the version has one."""


async def log_in(wire: Wire, password: str, version: int = 8) -> None:
    """Go through VNC authentication as a viewer of version 3.3, 3.7 or 3.8."""
    assert await wire.exactly(12) == b"RFB 003.008\n"
    await wire.write(f"RFB 003.00{version}\n".encode())
    if version == 3:
        (kind,) = struct.unpack(">I", await wire.exactly(4))
        if kind == 0:
            raise NotLetIn(await reason(wire))
    else:
        kinds = await wire.exactly((await wire.exactly(1))[0])
        if not kinds:
            raise NotLetIn(await reason(wire))
        (kind,) = kinds
        await wire.write(bytes((kind,)))
    assert kind == VNC_PASSWORD
    await wire.write(vnc_response(password, await wire.exactly(16)))
    if await wire.exactly(4) != bytes(4):
        raise NotLetIn(await reason(wire) if version == 8 else "")


async def reason(wire: Wire) -> str:
    (length,) = struct.unpack(">I", await wire.exactly(4))
    return (await wire.exactly(length)).decode()


@asynccontextmanager
async def plain_viewer(host: str, port: int, password: str, version: int = 8) -> AsyncIterator[Viewer]:
    """An ordinary VNC viewer at the gateway. Raises NotLetIn."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        viewer = Viewer(Wire(TcpStream(reader, writer)))
        await log_in(viewer.wire, password, version)
        await viewer.enter()
        yield viewer
    finally:
        writer.close()


@asynccontextmanager
async def web_viewer(url: str) -> AsyncIterator[Viewer]:
    """A viewer that comes through a websocket, whose URL is all that it needs. Raises NotLetIn."""
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
        viewer = Viewer(Wire(WebSocketStream(socket)))
        try:
            assert await viewer.wire.exactly(12) == b"RFB 003.008\n"
        except Ended:
            raise NotLetIn(f"{socket.close_code}") from None
        await viewer.wire.write(b"RFB 003.008\n")
        assert await viewer.wire.exactly(2) == b"\1\1"
        await viewer.wire.write(b"\1")
        assert await viewer.wire.exactly(4) == bytes(4)
        await viewer.enter()
        yield viewer
