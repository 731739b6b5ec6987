"""From a guest's address on the host to the guest: TCP connections, passed on by sockets inside the namespace."""

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor

from pvelocal.qemu.netns.addresses import client_inside
from pvelocal.qemu.netns.space import Space

_CONNECT_SECONDS = 20.0
_CHUNK = 65536
_RESET = struct.pack("ii", 1, 0)
_logger = logging.getLogger(__name__)

Door = tuple[str, int]
"""An address and port of the host."""


class Forwarder:
    """Listens at doors of the host, each of which leads to an address and port inside."""

    def __init__(self, space: Space) -> None:
        self._space = space
        # Sockets belong to the namespace of the thread that makes them.
        self._inside = ThreadPoolExecutor(1, "namespace", initializer=space.enter)
        self._servers: dict[Door, asyncio.Server] = {}
        self._passing: set[asyncio.Task[None]] = set()

    @property
    def doors(self) -> set[Door]:
        """Those that are open."""
        return set(self._servers)

    async def begin(self) -> None:
        """Enter the namespace; OSError where that is not allowed."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._inside, threading.get_ident)
        except BrokenExecutor as error:
            raise OSError("the namespace cannot be entered") from error

    async def open(self, door: Door, target: Door) -> None:
        """Listen; a port that cannot be had is left out, and the log says so."""

        def passed_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._pass_on(reader, writer, target))
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

        try:
            self._servers[door] = await asyncio.start_server(passed_on, *door, backlog=128)
        except OSError as error:
            _logger.warning("port %s of %s leads nowhere: %s", door[1], door[0], error)

    async def shut(self, door: Door) -> None:
        """Take no more connections; those that are there go on."""
        server = self._servers.pop(door, None)
        if server is not None:
            server.close()

    async def close(self) -> None:
        """End everything."""
        for door in list(self._servers):
            await self.shut(door)
        for task in self._passing:
            task.cancel()
        if self._passing:
            await asyncio.wait(self._passing)
        self._inside.shutdown(wait=False)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: Door) -> None:
        client = writer.get_extra_info("peername")[0]
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                inner_reader, inner_writer = await self._connect(client, target)
        except OSError:
            # As near to a refusal as a connection that was taken already can come.
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        try:
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
        finally:
            writer.close()
            inner_writer.close()

    async def _connect(self, client: str, target: Door) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop = asyncio.get_running_loop()
        inner = await loop.run_in_executor(self._inside, _socket_of, client_inside(client))
        try:
            await loop.sock_connect(inner, target)
            return await asyncio.open_connection(sock=inner)
        except BaseException:
            inner.close()
            raise


def _socket_of(source: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setblocking(False)
    made.bind((source, 0))
    return made


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until either end has enough; then the other is told that nothing more comes."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
