"""A web server on the loopback that gives ISO images, well or badly."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Giving = Callable[[asyncio.StreamWriter], Awaitable[None]]
IMAGE = bytes(16 * 2048) + b"\x01CD001\x01" + bytes(2041 + 8 * 2048)


@dataclass
class Source:
    """What is given by path, and the head of every request that came."""

    giving: dict[str, Giving] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.asked.append(head)
            await self.giving[head.split()[1].partition("?")[0]](writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running_source(tls: ssl.SSLContext | None = None) -> AsyncIterator[Source]:
    """A source that listens until the block ends."""
    source = Source()
    server = await asyncio.start_server(source.answer, "127.0.0.1", 0, ssl=tls)
    async with server:
        source.port = server.sockets[0].getsockname()[1]
        yield source


def whole(content: bytes = IMAGE, status: str = "200 OK") -> Giving:
    async def give(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)

    return give


def redirect(target: str) -> Giving:
    async def give(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode())

    return give


def announced(length: int, content: bytes = IMAGE) -> Giving:
    """Promises so many bytes, gives some, and hangs up."""

    async def give(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n".encode() + content)

    return give


def endless(sent: list[int]) -> Giving:
    """Says no length and never stops; `sent` counts the bytes."""

    async def give(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + IMAGE)
        while True:
            writer.write(bytes(1 << 16))
            sent.append(1 << 16)
            await writer.drain()

    return give


def silent(content: bytes = IMAGE) -> Giving:
    """Gives a beginning and then nothing more, without hanging up."""

    async def give(writer: asyncio.StreamWriter) -> None:
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {2 * len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        await asyncio.sleep(30)

    return give
