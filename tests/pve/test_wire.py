"""What became of a request, over real sockets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from bluelobster.pve import errors
from bluelobster.pve.wire import Answer, HttpWire, Request, sent

OK = b"HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\n{}"
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def request(method: str = "GET", seconds: float = 5.0) -> Request:
    return Request(method, "/api2/json/version?a=b%2Fc", {"X-Test": "1"}, b"", seconds)


@asynccontextmanager
async def server(talk: Talk) -> AsyncIterator[HttpWire]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    wire = HttpWire(f"http://127.0.0.1:{port}", None)
    try:
        yield wire
    finally:
        await wire.aclose()
        listener.close()


async def test_an_answer() -> None:
    seen: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    async with server(talk) as wire:
        assert await wire.send(request()) == Answer(200, "Fine", b"{}")
    assert seen[0].startswith(b"GET /api2/json/version?a=b%2Fc HTTP/1.1\r\n")
    assert b"X-Test: 1\r\n" in seen[0]


async def test_nobody_listens() -> None:
    wire = HttpWire("http://127.0.0.1:1", None)
    with pytest.raises(errors.Unreachable):
        await wire.send(request())
    await wire.aclose()


async def test_who_still_has_a_closed_one_asks_again_later() -> None:
    wire = HttpWire("http://127.0.0.1:1", None)
    await wire.aclose()
    with pytest.raises(errors.Unreachable, match="its record changes"):
        await wire.send(request())


async def test_a_server_that_hangs_up() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with server(talk) as wire:
        with pytest.raises(errors.ConnectionLost):
            await wire.send(request("POST"))


async def test_a_server_that_says_nothing() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(talk) as wire:
        with pytest.raises(errors.ConnectionLost):
            await wire.send(request(seconds=0.05))


async def test_a_body_that_ends_early() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")

    async with server(talk) as wire:
        with pytest.raises(errors.ConnectionLost):
            await wire.send(request())


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "POST"])
async def test_nothing_is_sent_twice_when_a_kept_connection_breaks(method: str) -> None:
    received = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal received
        for answered in (True, False):
            await reader.readuntil(b"\r\n\r\n")
            received += 1
            if answered:
                writer.write(OK)

    async with server(talk) as wire:
        await wire.send(request())
        with pytest.raises(errors.ConnectionLost):
            await wire.send(request(method))
    assert received == 2


async def test_a_redirect_is_an_answer() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with server(talk) as wire:
        assert (await wire.send(request())).status == 302


def upload(parts: AsyncIterator[bytes], length: int, seconds: float) -> Request:
    return Request("POST", "/api2/json/upload", {"Content-Length": str(length)}, parts, seconds)


async def test_a_server_that_reads_no_further() -> None:
    over = asyncio.Event()

    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read(1000)
        await over.wait()

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1 << 20)

    async with server(talk) as wire, asyncio.timeout(20):
        with pytest.raises(errors.ConnectionLost):
            await wire.send(upload(parts(), 1 << 40, seconds=0.3))
        over.set()


async def test_an_upload_may_take_longer_than_one_of_its_parts() -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async with asyncio.timeout(None) as patience:
        content = sent(upload(parts(), 2, seconds=60), patience)
        assert not isinstance(content, bytes)
        until = [patience.when() async for _ in content]
        assert patience.when() is None
    assert until == [pytest.approx(asyncio.get_running_loop().time() + 60, abs=20)] * 2
