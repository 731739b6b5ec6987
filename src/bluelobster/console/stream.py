"""Streams of bytes, whatever carries them."""

import asyncio
from typing import Protocol

from aiohttp import WSMsgType, web

CHUNK = 1 << 16


class Ended(Exception):
    """The other side went away in the middle of something."""


class Stream(Protocol):
    """Something to read from and to write to."""

    async def read(self) -> bytes:
        """Some bytes; none at the end. May raise ConnectionError."""

    async def write(self, data: bytes) -> None:
        """Send bytes; returns when there is room for more. May raise ConnectionError."""


class TcpStream:
    """A TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(CHUNK)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()


class WebStream:
    """A websocket that a viewer opened to us."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket

    async def read(self) -> bytes:
        message = await self._socket.receive()
        return bytes(message.data) if message.type is WSMsgType.BINARY else b""

    async def write(self, data: bytes) -> None:
        await self._socket.send_bytes(data)


class Wire:
    """A stream of which exact numbers of bytes can be read; itself a stream of what is left."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._kept = b""

    async def exactly(self, count: int) -> bytes:
        """Raises Ended."""
        while len(self._kept) < count:
            more = await self._stream.read()
            if not more:
                raise Ended
            self._kept += more
        taken, self._kept = self._kept[:count], self._kept[count:]
        return taken

    async def read(self) -> bytes:
        kept, self._kept = self._kept, b""
        return kept or await self._stream.read()

    async def write(self, data: bytes) -> None:
        await self._stream.write(data)
